# Caddy with token protection: one static binary on an empty file system.
#
#   docker build -t caddy-token-protection .
#   docker run -v ./Caddyfile:/etc/caddy/Caddyfile:ro -p 443:8443 caddy-token-protection

# GOLANG is the image to build in. Where no registry is in reach, .ci/golang-base
# makes a stand-in from the machine's own Go.
ARG GOLANG=golang:1.26
FROM ${GOLANG} AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -tags=nobadger,nomysql,nopgx"
# Caddy itself takes minutes to compile and changes with go.mod only: its layer is
# kept when our own code changes.
COPY go.mod go.sum ./
RUN go mod download && go build github.com/caddyserver/caddy/v2/modules/standard
COPY . .
RUN go build -ldflags "-s -w" -o /image/system/caddy ./cmd/caddy
# The empty directories are what Caddy and the demo write to, as the user below.
# The certificate authorities are those of the build image, if it has any.
RUN mkdir -p /image/own/data /image/own/config /image/own/certificates /image/system/etc/caddy /image/system/etc/ssl/certs \
 && if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt /image/system/etc/ssl/certs/; fi

FROM scratch
COPY --from=build /image/system/ /
COPY --from=build --chown=65532:65532 /image/own/ /
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
USER 65532:65532
EXPOSE 8443
# There is no shell here: the binary asks its own admin endpoint. It is healthy
# once it has the issuers' keys, and so can judge tokens.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["/caddy", "token-protection", "health", "--url", "http://127.0.0.1:2019/token_protection/ready"]
ENTRYPOINT ["/caddy"]
CMD ["run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
