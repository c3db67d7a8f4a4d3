// Package config has the configuration of the standalone server: one struct, which a file
// in JSON, the environment and flags fill, each over the one before. The tags of a field
// give its name in all three, and the help that flags and docs/standalone.md show.
package config

// Config is the whole configuration. A setting that is empty, zero or missing is the
// library's production default, unless its help says otherwise.
type Config struct {
	Addr  string   `json:"addr" help:"address to listen on; port 0 takes a free one" default:"127.0.0.1:8080"`
	Ops   string   `json:"ops,omitzero" help:"address of /dashboard/, /metrics, /healthz and /readyz for operators; empty: none"`
	Host  []string `json:"host,omitzero" help:"names of the server to browsers; without it, localhost and IP addresses on a loopback address, and any elsewhere"`
	Redis string   `json:"redis,omitzero" secret:"url" help:"URL of a Redis that several instances share, as in redis://localhost:6379; without it, memory"`

	PublishKey  string       `json:"publishKey,omitzero" secret:"yes" help:"key of a backend that may do everything; better given in the environment"`
	PublishKeys []PublishKey `json:"publishKeys,omitzero" help:"keys of backends, each with topics and operations"`

	Anyone   bool         `json:"anyone,omitzero" help:"anyone may follow any topic, from any web page or none; addresses aren't limited"`
	Relay    bool         `json:"relay,omitzero" help:"anyone who may follow a topic may send to it as well"`
	Access   []AccessRule `json:"access,omitzero" help:"who may do what, by the pattern of a topic; the first that matches counts"`
	Presence []string     `json:"presence,omitzero" split:"no" help:"patterns of topics whose members are kept"`
	Recheck  Duration     `json:"recheck,omitzero" help:"how often the rights of connected clients are checked again"`
	Tickets  bool         `json:"tickets,omitzero" help:"POST /push/ticket gives tickets, for WebSockets of pages that have a token and no cookie"`
	JWT      JWT          `json:"jwt,omitzero"`

	State   []string    `json:"state,omitzero" split:"no" help:"patterns of topics that are states, as in prices/{market}"`
	Topics  []TopicRule `json:"topics,omitzero" help:"how topics are kept, by their pattern; the first that matches counts, after those of state"`
	History History     `json:"history,omitzero"`

	Origins []string `json:"origins,omitzero" help:"web pages that may connect besides those of the same host, as in https://app.example.com"`
	Proxies []string `json:"proxies,omitzero" help:"addresses or networks of proxies whose X-Forwarded-For is believed, as in 10.0.0.0/8"`
	Limits  Limits   `json:"limits,omitzero"`

	TLS   TLS   `json:"tls,omitzero"`
	Drain Drain `json:"drain,omitzero"`
}

// PublishKey is a key of a backend. Key or KeyFile must be set, and what it is for.
type PublishKey struct {
	Name    string `json:"name" help:"what the log calls it"`
	Key     string `json:"key,omitzero" secret:"yes" help:"the secret itself"`
	KeyFile string `json:"keyFile,omitzero" help:"a file that has the secret; white space around it is cut off"`
	// Operations are those of package access.
	Operations []string `json:"operations" help:"publish, read, users, stats"`
	Topics     []string `json:"topics,omitzero" help:"patterns of the topics that publish and read are for; {all...} is every topic"`
}

// AccessRule says who may do what with the topics of a pattern. A Who is "anyone", "users",
// or "{name}" of a wildcard in the pattern.
type AccessRule struct {
	Pattern string `json:"pattern" help:"the topics, as in users/{user}/{what}"`
	Follow  string `json:"follow,omitzero" help:"who may follow: anyone, users, or the user that a wildcard names, as in {user}"`
	Send    string `json:"send,omitzero" help:"who may send; what is sent is published"`
	Members string `json:"members,omitzero" help:"who may see who follows; presence says of which topics that is kept"`
}

// TopicRule is a push.TopicRule.
type TopicRule struct {
	Pattern  string   `json:"pattern" help:"the topics"`
	History  History  `json:"history,omitzero" help:"what is kept of each, as in the setting history"`
	Time     bool     `json:"time,omitzero" help:"clients are told the time of each message"`
	State    bool     `json:"state,omitzero" help:"the topics are states: maps of keys"`
	MaxKeys  int      `json:"maxKeys,omitzero" help:"keys of a state; at most 10,000"`
	MaxValue Bytes    `json:"maxValue,omitzero" help:"bytes of a value; at most 256KiB"`
	MaxBytes Bytes    `json:"maxBytes,omitzero" help:"bytes of all keys and values; at most 4MiB"`
	Interval Duration `json:"interval,omitzero" help:"the least time between two batches of changes"`
	TTL      Duration `json:"ttl,omitzero" help:"how long a key stays that nobody renews"`
}

// History bounds what is kept of a topic.
type History struct {
	Messages int      `json:"messages,omitzero" help:"messages that are kept of a topic; 1,000 by default, negative is no bound"`
	Bytes    Bytes    `json:"bytes,omitzero" help:"bytes that are kept of a topic; 4MiB by default"`
	Age      Duration `json:"age,omitzero" help:"how long messages are kept; 10m by default"`
}

// JWT says how users are known by tokens. It is on if there is a key.
type JWT struct {
	Algorithms []string `json:"algorithms,omitzero" help:"algorithms that tokens may be signed with: HS256 to HS512, RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA"`
	Secret     string   `json:"secret,omitzero" secret:"yes" help:"secret for HS256 (32 bytes or more), HS384 (48) or HS512 (64)"`
	SecretFile string   `json:"secretFile,omitzero" help:"file that has the secret; white space around it is cut off"`
	Keys       []JWTKey `json:"keys,omitzero" help:"public keys in PEM files"`
	JWKS       string   `json:"jwks,omitzero" secret:"url" help:"URL where the issuer publishes its keys"`
	Insecure   bool     `json:"insecure,omitzero" help:"the URL of jwks may be plain http, within a network that is trusted"`
	Issuer     string   `json:"issuer,omitzero" help:"what the iss of a token must be; empty: anything"`
	Audience   string   `json:"audience,omitzero" help:"what must be among the aud of a token; empty: only tokens without one"`
	Leeway     Duration `json:"leeway,omitzero" help:"how far the clocks of issuer and server may differ; 5s by default, negative is none"`
	Cookie     string   `json:"cookie,omitzero" help:"name of a cookie that may hold the token; empty: none"`
	Claim      string   `json:"claim,omitzero" help:"claim that says what a user may follow, publish and see" default:"tidewire"`
}

// JWTKey is a public key of an issuer.
type JWTKey struct {
	ID   string `json:"id,omitzero" help:"the kid of tokens that it is for; empty: those without"`
	File string `json:"file" help:"a PEM file with a public key or a certificate"`
}

// Limits are push.Limits, and those of push.Options.
type Limits struct {
	Connections    int      `json:"connections,omitzero" help:"clients that may be connected; 90 % of the descriptors by default, negative is no limit here and below"`
	PerUser        int      `json:"perUser,omitzero" help:"connections of a user; 20 by default"`
	PerAddress     int      `json:"perAddress,omitzero" help:"connections of an address; 200 by default"`
	Memory         Bytes    `json:"memory,omitzero" help:"bytes that may wait for all clients; a quarter of the memory by default"`
	Opens          Rate     `json:"opens,omitzero" help:"how fast connections may be opened, as in 500/s burst 1000; unlimited by default"`
	Failures       Rate     `json:"failures,omitzero" help:"failed credentials of an address; 5/m burst 50 by default"`
	Requests       Rate     `json:"requests,omitzero" help:"frames from a WebSocket; 100/s burst 1000 by default"`
	Topics         Rate     `json:"topics,omitzero" help:"topics that a connection may create; 600/m burst 600 by default"`
	Resumes        Rate     `json:"resumes,omitzero" help:"topics that a connection may resume; 20/s burst 1000 by default"`
	Sends          Rate     `json:"sends,omitzero" help:"messages of a client; 10/s burst 20 by default"`
	Age            Duration `json:"age,omitzero" help:"how long a connection lives before its client is asked to reconnect; 24h by default"`
	QueueMessages  int      `json:"queueMessages,omitzero" help:"frames that may wait for a client; 1,024 by default"`
	QueueBytes     Bytes    `json:"queueBytes,omitzero" help:"bytes that may wait for a client; 1MiB by default"`
	ReplayMessages int      `json:"replayMessages,omitzero" help:"messages of a topic that a client may have missed; 1,000 by default"`
	ReplayBytes    Bytes    `json:"replayBytes,omitzero" help:"bytes of a topic that a client may have missed; 1MiB by default"`
	MaxTopics      int      `json:"maxTopics,omitzero" help:"topics of a connection; 100 by default"`
	MaxInbound     Bytes    `json:"maxInbound,omitzero" help:"largest message from a client; 16KiB by default"`
	MaxPublish     Bytes    `json:"maxPublish,omitzero" help:"largest message from a backend; 64KiB by default"`
}

// TLS is a certificate and its key. The files are read again when they have changed.
type TLS struct {
	CertFile string `json:"certFile,omitzero" help:"PEM file of the certificate and those that lead to its root; reloaded when it changes"`
	KeyFile  string `json:"keyFile,omitzero" help:"PEM file of the certificate's key"`
}

// Drain is how the server ends.
type Drain struct {
	Delay  Duration `json:"delay,omitzero" help:"how long /healthz says \"draining\" before clients are disconnected, so that balancers choose other instances by then"`
	Window Duration `json:"window,omitzero" help:"longest time over which clients are asked to reconnect" default:"15s"`
}
