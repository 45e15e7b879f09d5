// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const (
	// tokenLife is how long the issuer's access tokens are valid.
	tokenLife = 10 * time.Minute
	// maxForm bounds a token request's body, in bytes.
	maxForm = 64 << 10
	// grantDemo is the grant type by which anybody gets a token for any user.
	grantDemo = "demo"
	// defaultClient is the client id of a request that names none.
	defaultClient = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
)

// Issuer is an authorization server that gives a token to whoever asks. A token
// is bound to a device key if the request proves possession of one (RFC 9449,
// section 5), or if it names a certificate or a key: of those the server takes
// the client's word. Else it is unbound. It is an [http.Handler] with:
//
//	GET  /.well-known/oauth-authorization-server  metadata (RFC 8414)
//	GET  /.well-known/openid-configuration        the same
//	GET  /jwks                                    the key set
//	POST /token                                   grant_type=demo with user, or client_credentials;
//	                                              resource (RFC 8707) and client_id; x5t names a
//	                                              certificate, req_cnf (as MSAL has it) a key
//	POST /rotate                                  sign with a new key; the one before stays published
//	GET  /health
type Issuer struct {
	url string
	mux *http.ServeMux
	now func() time.Time

	mutex sync.Mutex
	keys  []signingKey // the current one first; at most two
}

// signingKey is a key of the issuer with its published form.
type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
	jwk     map[string]string
}

// NewIssuer makes an issuer with the identifier issuerURL, an absolute http or
// https URL without path, query and fragment: where clients reach it.
func NewIssuer(issuerURL string) (*Issuer, error) {
	u, err := url.Parse(issuerURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path+u.RawQuery+u.Fragment != "" {
		return nil, errors.New("issuer URL must be an absolute http or https URL without path, query and fragment")
	}
	issuer := &Issuer{url: issuerURL, mux: http.NewServeMux(), now: time.Now}
	if _, err := issuer.Rotate(); err != nil {
		return nil, err
	}
	issuer.mux.HandleFunc("GET /.well-known/oauth-authorization-server", issuer.serveMetadata)
	issuer.mux.HandleFunc("GET /.well-known/openid-configuration", issuer.serveMetadata)
	issuer.mux.HandleFunc("GET /jwks", issuer.serveKeys)
	issuer.mux.HandleFunc("POST /token", issuer.serveToken)
	issuer.mux.HandleFunc("POST /rotate", issuer.serveRotate)
	issuer.mux.HandleFunc("GET /health", serveHealth)
	return issuer, nil
}

// ServeHTTP implements [http.Handler].
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.mux.ServeHTTP(w, r) }

// Rotate makes a new signing key and returns its `kid`. The key before it stays
// in the key set until the next rotation, so that its tokens still verify.
func (i *Issuer) Rotate() (string, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	point, err := private.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		return "", err
	}
	key := signingKey{id: randomID(), private: private}
	key.jwk = map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key.id,
		"x": encode(point[1:33]), "y": encode(point[33:]),
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.keys = append([]signingKey{key}, i.keys...); len(i.keys) > 2 {
		i.keys = i.keys[:2]
	}
	return key.id, nil
}

// Token signs an access token for the given claims: the issuer's own (`iss`,
// `iat`, `nbf`, `exp`, `jti`) are added where they are missing.
func (i *Issuer) Token(claims map[string]any) (string, error) {
	now := i.now().Unix()
	all := jwt.MapClaims{
		"iss": i.url, "iat": now, "nbf": now, "exp": now + int64(tokenLife/time.Second), "jti": randomID(),
	}
	for name, value := range claims {
		all[name] = value
	}
	i.mutex.Lock()
	key := i.keys[0]
	i.mutex.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["typ"] = "at+jwt" // RFC 9068, section 2.1
	token.Header["kid"] = key.id
	return token.SignedString(key.private)
}

func (i *Issuer) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                i.url,
		"token_endpoint":                        i.url + "/token",
		"jwks_uri":                              i.url + "/jwks",
		"response_types_supported":              []string{},
		"subject_types_supported":               []string{"public"},
		"grant_types_supported":                 []string{"client_credentials", grantDemo},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"dpop_signing_alg_values_supported":     proofAlgorithms,
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	i.mutex.Lock()
	keys := make([]map[string]string, 0, len(i.keys))
	for _, key := range i.keys {
		keys = append(keys, key.jwk)
	}
	i.mutex.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

func (i *Issuer) serveRotate(w http.ResponseWriter, _ *http.Request) {
	id, err := i.Rotate()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]any{"error": "server_error"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"kid": id})
}

func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuseToken(w, &client.TokenError{Code: "invalid_request", Description: "body must be a form of at most 64 KiB"})
		return
	}
	claims, refused := grantClaims(r.PostForm)
	if refused != nil {
		refuseToken(w, refused)
		return
	}
	tokenType, confirmation, refused := confirmationOf(r.PostForm)
	proofs := r.Header.Values("DPoP")
	switch {
	case refused != nil:
		refuseToken(w, refused)
		return
	case len(proofs) > 0:
		thumbprint, err := checkProof(proofs, i.url+"/token", i.now())
		if err != nil {
			refuseToken(w, &client.TokenError{Code: "invalid_dpop_proof", Description: err.Error()})
			return
		}
		claims["cnf"] = map[string]string{"jkt": thumbprint}
		tokenType = "DPoP"
	case confirmation != nil:
		claims["cnf"] = confirmation
	default:
		delete(claims, "deviceid") // nothing shows that the user's device asked
	}
	token, err := i.Token(claims)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]any{"error": "server_error"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": tokenType, "expires_in": int64(tokenLife / time.Second),
	})
}

// confirmationOf reads what the token is to be bound to where that is not the
// key of a DPoP proof: the SHA-256 of a certificate (x5t#S256 of RFC 8705,
// section 3.1), or the key that a client of signed HTTP requests names in
// req_cnf. There is none for an unbound token.
func confirmationOf(form url.Values) (tokenType string, confirmation map[string]string, refused *client.TokenError) {
	hash, named := form.Get("x5t"), form.Get("req_cnf")
	switch {
	case hash != "" && named != "":
		return "", nil, &client.TokenError{Code: "invalid_request", Description: "x5t and req_cnf exclude each other"}
	case hash != "":
		if !isHash(hash) {
			return "", nil, &client.TokenError{Code: "invalid_request", Description: "x5t must be the base64url SHA-256 of a certificate"}
		}
		return "Bearer", map[string]string{"x5t#S256": hash}, nil
	case named != "":
		var key struct {
			ID string `json:"kid"`
		}
		document, err := base64.RawURLEncoding.Strict().DecodeString(named)
		if err != nil || json.Unmarshal(document, &key) != nil || !isHash(key.ID) {
			return "", nil, &client.TokenError{Code: "invalid_request", Description: `req_cnf must be the base64url of {"kid": <thumbprint>}`}
		}
		return "pop", map[string]string{"kid": key.ID}, nil
	}
	return "Bearer", nil, nil
}

// isHash reports whether this is a SHA-256 in base64url.
func isHash(text string) bool {
	hash, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(hash) == sha256.Size
}

// grantClaims returns the claims that the request's grant gives, those of RFC
// 9068, section 2.2 together with Entra's.
func grantClaims(form url.Values) (map[string]any, *client.TokenError) {
	clientID := form.Get("client_id")
	if clientID == "" {
		clientID = defaultClient
	}
	resources := form["resource"]
	if len(resources) == 0 {
		return nil, &client.TokenError{Code: "invalid_target", Description: "resource must name the audience"}
	}
	claims := map[string]any{"client_id": clientID, "aud": resources[0]}
	if len(resources) > 1 {
		claims["aud"] = resources
	}
	switch form.Get("grant_type") {
	case "client_credentials":
		if form.Has("user") {
			return nil, &client.TokenError{Code: "invalid_request", Description: "user needs grant_type demo"}
		}
		claims["sub"], claims["oid"], claims["idtyp"] = clientID, clientID, "app"
	case grantDemo:
		user, known := findUser(form.Get("user"))
		if !known {
			return nil, &client.TokenError{Code: "invalid_grant", Description: "user must be one of " + userNames()}
		}
		claims["sub"], claims["oid"], claims["upn"] = user.ID, user.ID, user.UPN
		claims["groups"], claims["wids"], claims["scp"] = user.Groups, user.Roles, "user_impersonation"
		if user.Device != "" {
			claims["deviceid"] = user.Device
		}
	default:
		return nil, &client.TokenError{Code: "unsupported_grant_type", Description: "grant_type must be client_credentials or demo"}
	}
	return claims, nil
}

func userNames() string {
	names := make([]string, 0, len(Users()))
	for _, user := range Users() {
		names = append(names, user.Name)
	}
	return strings.Join(names, ", ")
}

// refuseToken answers as RFC 6749, section 5.2 says.
func refuseToken(w http.ResponseWriter, refused *client.TokenError) {
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": refused.Code, "error_description": refused.Description})
}

func serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"ok": true})
}

// writeJSON answers with a JSON document that nobody may keep.
func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // fails only if the client has gone
}

// randomID returns 128 random bits in base64url.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return encode(b[:])
}

// encode is base64url without padding (RFC 7515, section 2).
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
