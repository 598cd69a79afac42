// Copyright (c) 2026 The holdfast.config contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A Vault server for tests: Vault's own core, policies, tokens, audit and HTTP API, with the Transit and KV engines and
// the auth methods the collection supports, on file storage. Initialise and unseal it over HTTP like any Vault.
//
// With a command as its first word (`vault operator generate-root -init`) it is Vault's own command line.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/command/server"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

var engines = map[string]logical.Factory{"transit": transit.Factory, "kv": kv.Factory}

var auths = map[string]logical.Factory{
	"approle": approle.Factory, "cert": cert.Factory, "jwt": jwtauth.Factory, "userpass": userpass.Factory,
}

// registry offers the plugins above, and no others, to the plugin catalog.
type registry struct{}

func (registry) of(t consts.PluginType) map[string]logical.Factory {
	return map[consts.PluginType]map[string]logical.Factory{consts.PluginTypeSecrets: engines, consts.PluginTypeCredential: auths}[t]
}

func (r registry) Contains(name string, t consts.PluginType) bool { return r.of(t)[name] != nil }

func (r registry) Get(name string, t consts.PluginType) (func() (interface{}, error), bool) {
	factory, ok := r.of(t)[name]
	return func() (interface{}, error) { return factory, nil }, ok
}

func (r registry) Keys(t consts.PluginType) (names []string) {
	for name := range r.of(t) {
		names = append(names, name)
	}
	return names
}

func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func main() {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		os.Exit(command.Run(os.Args[1:]))
	}
	listen := flag.String("listen", "127.0.0.1:8200", "address to listen on")
	data := flag.String("data", "", "folder to store in")
	certFile := flag.String("cert", "", "TLS certificate (PEM)")
	keyFile := flag.String("key", "", "TLS key (PEM)")
	flag.Parse()

	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	storage, err := file.NewFileBackend(map[string]string{"path": *data}, logger)
	check(err)
	shared := &configutil.SharedConfig{DisableMlock: true}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical: storage, DisableMlock: true, Logger: logger, RawConfig: &server.Config{SharedConfig: shared},
		BuiltinRegistry: registry{}, LogicalBackends: engines, CredentialBackends: auths,
		AuditBackends: map[string]audit.Factory{"file": audit.NewFileBackend, "socket": audit.NewSocketBackend},
	})
	check(err)
	listener, err := net.Listen("tcp", *listen)
	check(err)
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	if *certFile == "" {
		check(http.Serve(listener, handler))
	}
	// as Vault's own listener does: who logs in by certificate shows one, and nobody else must
	tlsServer := http.Server{Handler: handler, TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert}}
	check(tlsServer.ServeTLS(listener, *certFile, *keyFile))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
