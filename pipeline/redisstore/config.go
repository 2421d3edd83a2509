package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Durability says what the bot demands of the server before it trusts it.
type Durability string

const (
	Strict  Durability = "strict"  // every write is on disk before it is answered (appendfsync always)
	Normal  Durability = "normal"  // an append-only file; up to a second may be lost in a power cut
	Relaxed Durability = "relaxed" // anything, even memory alone
)

// Config says where the store is and how much is asked of it.
type Config struct {
	// URL is one of
	//
	//	redis://user:password@host:port/db      rediss:// with TLS
	//	unix:///path/to/socket
	//	redis+sentinel://h1:26379,h2:26379/master      rediss+sentinel://
	//	redis+cluster://h1:6379,h2:6379                rediss+cluster://
	//
	// What go-redis reads from a URL (pool_size, read_timeout, skip_verify...)
	// may follow as a query, and also ca, cert and key: PEM files for TLS.
	URL        string
	Shards     int           // up to 32; zero: as the server was set up with, 8 on a new one
	Durability Durability    // default Normal
	Insecure   bool          // allow a server elsewhere without TLS or password
	Keep       time.Duration // of ended runs and their history; default 90 days
	Logger     *slog.Logger
	Now        func() time.Time // the clock that times in a Change come from; default time.Now
}

// The number of connections: workers that commit at the same time, and the
// few that wait for jobs.
const poolSize = 64

// address is a URL taken apart.
type address struct {
	kind    string // "", "sentinel", "cluster"
	hosts   []string
	options redis.UniversalOptions
}

func parseURL(raw string) (*address, error) {
	bad := func(what string) error {
		return pipeline.Refuse("redis_url", "The Redis URL cannot be read: %s. "+
			"Write it as redis://user:password@host:port/db, rediss:// for TLS, unix:///path, "+
			"redis+sentinel://h1,h2/master or redis+cluster://h1,h2.", what)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, bad("it has no scheme")
	}
	base, kind, _ := strings.Cut(scheme, "+")
	if base != "redis" && base != "rediss" && base != "unix" || kind != "" && kind != "sentinel" && kind != "cluster" || base == "unix" && kind != "" {
		return nil, bad("the scheme " + scheme + " is not known")
	}

	a := &address{kind: kind}
	master := ""
	if kind != "" {
		rest, a.hosts, master = firstHost(rest, kind)
		if kind == "sentinel" && master == "" {
			return nil, bad("the name of the master is missing after the sentinels")
		}
	}
	u, err := url.Parse(base + "://" + rest)
	if err != nil {
		return nil, bad("it is not a URL") // the error quotes the password
	}
	files := takeQuery(u, "ca", "cert", "key")
	sentinel := takeQuery(u, "sentinel_username", "sentinel_password")
	opt, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, bad("a part of it is not understood (host, port, db or a query parameter)")
	}
	if a.hosts == nil {
		a.hosts = []string{opt.Addr}
	}
	if err := loadTLS(opt, files); err != nil {
		return nil, err
	}
	if opt.PoolSize == 0 {
		opt.PoolSize = poolSize
	}
	a.options = redis.UniversalOptions{
		Addrs: a.hosts, MasterName: master, IsClusterMode: kind == "cluster",
		DB: opt.DB, Username: opt.Username, Password: opt.Password, TLSConfig: opt.TLSConfig, Protocol: opt.Protocol,
		SentinelUsername: sentinel["sentinel_username"], SentinelPassword: sentinel["sentinel_password"],
		DialTimeout: opt.DialTimeout, ReadTimeout: opt.ReadTimeout, WriteTimeout: opt.WriteTimeout,
		PoolSize: opt.PoolSize, PoolTimeout: opt.PoolTimeout, MinIdleConns: opt.MinIdleConns,
		MaxRetries: opt.MaxRetries, ClientName: "shipmate",
		ContextTimeoutEnabled: true, // else a caller's deadline is not obeyed
	}
	return a, nil
}

// firstHost cuts a list of hosts down to the first, which is all that a URL
// may hold, and returns the list and, for sentinels, the master's name.
func firstHost(rest, kind string) (single string, hosts []string, master string) {
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	login := ""
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		login, authority = authority[:at+1], authority[at+1:]
	}
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
		master, path, _ = strings.Cut(path, "/")
	}
	for h := range strings.SplitSeq(authority, ",") {
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port)
		}
		hosts = append(hosts, h)
	}
	single = login + hosts[0] + "/" + path
	if query != "" {
		single += "?" + query
	}
	return single, hosts, master
}

// takeQuery removes parameters from the URL and returns them.
func takeQuery(u *url.URL, names ...string) map[string]string {
	q := u.Query()
	taken := map[string]string{}
	for _, n := range names {
		taken[n] = q.Get(n)
		q.Del(n)
	}
	u.RawQuery = q.Encode()
	return taken
}

func loadTLS(opt *redis.Options, files map[string]string) error {
	if opt.TLSConfig == nil {
		return nil
	}
	opt.TLSConfig.MinVersion = tls.VersionTLS12
	if ca := files["ca"]; ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return &pipeline.Error{Code: "redis_tls", Message: "The file named by ca in the Redis URL cannot be read.", Err: pipeline.FileError(err)}
		}
		opt.TLSConfig.RootCAs = x509.NewCertPool()
		if !opt.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return pipeline.Refuse("redis_tls", "The file named by ca in the Redis URL holds no PEM certificate.")
		}
	}
	if files["cert"] != "" {
		pair, err := tls.LoadX509KeyPair(files["cert"], files["key"])
		if err != nil {
			return &pipeline.Error{Code: "redis_tls", Message: "The files named by cert and key in the Redis URL are no PEM certificate with its key.", Err: pipeline.FileError(err)}
		}
		opt.TLSConfig.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// client connects to what the address names. Server names for TLS come from
// each host, so that a cluster's other nodes are verified by their own.
func (a *address) client() redis.UniversalClient {
	if a.options.TLSConfig != nil && len(a.hosts) > 1 {
		a.options.TLSConfig.ServerName = ""
	}
	switch a.kind {
	case "cluster":
		return redis.NewClusterClient(a.options.Cluster())
	case "sentinel":
		return redis.NewFailoverClient(a.options.Failover())
	}
	simple := a.options.Simple()
	if strings.HasPrefix(simple.Addr, "/") {
		simple.Network = "unix"
	}
	return redis.NewClient(simple)
}

// checkPrivate refuses a server elsewhere that anybody on the way could read or use.
func (a *address) checkPrivate() error {
	for _, h := range a.hosts {
		if strings.HasPrefix(h, "/") || loopback(h) {
			continue
		}
		if a.options.TLSConfig == nil {
			return pipeline.Refuse("redis_plaintext", "The Redis server %s is not on this machine and its URL has no TLS. "+
				"Use rediss://, or start with --insecure-redis if the network between is yours alone.", h)
		}
		if a.options.Password == "" && len(a.options.TLSConfig.Certificates) == 0 {
			return pipeline.Refuse("redis_no_password", "The Redis server %s is not on this machine and its URL has no password. "+
				"Set requirepass or an ACL user there and put it into the URL, or start with --insecure-redis.", h)
		}
	}
	return nil
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
