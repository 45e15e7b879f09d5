// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import "strings"

// CurlHints returns shell commands with which an administrator can try what the
// scenario tries: a bound device, and a thief with its token.
func CurlHints(e Endpoints) string {
	authority := ""
	if e.Authority != "" {
		authority = "--cacert " + e.Authority + " "
	}
	return strings.NewReplacer("ISSUER", e.Issuer, "curl -i EXCHANGE", "curl "+authority+"-i "+e.Exchange, "EXCHANGE", e.Exchange).Replace(hints)
}

const hints = `# A device makes a key and asks for a token that is bound to it:
caddy token-protection keygen --out device.jwk
curl -s ISSUER/token -d grant_type=demo -d user=alice -d resource=EXCHANGE \
  -H "DPoP: $(caddy token-protection proof --key device.jwk --method POST --url ISSUER/token)" \
  | sed 's/.*"access_token":"\([^"]*\)".*/\1/' > token.txt

# The device reads its mail. Each request needs a new proof. If the answer is
# use_dpop_nonce, give the value of its DPoP-Nonce to the proof with --nonce:
curl -i EXCHANGE/owa/ -H "Authorization: DPoP $(cat token.txt)" \
  -H "DPoP: $(caddy token-protection proof --key device.jwk --method GET --url EXCHANGE/owa/ --token-file token.txt)"

# A thief has the token and not the key:
curl -i EXCHANGE/owa/ -H "Authorization: Bearer $(cat token.txt)"

# A client without binding:
curl -s ISSUER/token -d grant_type=demo -d user=bob -d resource=EXCHANGE
`
