package pipeline

// matcher finds many patterns in one pass over a stream (Aho and Corasick,
// "Efficient string matching", 1975). It never changes once built.
type matcher struct {
	nodes  []matchNode
	root   [256]int32
	tables [][256]int32 // children of the few nodes that have many
	signs  []sign
}

// matchNode is a state: what was read last is a beginning of some pattern.
type matchNode struct {
	fail    int32 // the longest proper suffix that is such a beginning too
	child   int32 // first child; the others follow by sibling
	sibling int32
	table   int32 // if not zero, one more than the index in tables
	depth   int32 // length of the beginning
	match   int32 // length of the longest pattern that ends here; zero: none
	sign    int8  // if not zero, one more than the index in signs
	char    byte
}

// sign is a pattern that hides nothing by itself: it says what follows.
type sign struct {
	text string
	kind signKind
}

type signKind uint8

const (
	noSign     signKind = iota
	tokenSign           // a token follows
	keySign             // a private key follows
	keyEndSign          // and has ended
)

// signs of credentials that are hidden even if nobody told us about them.
func signs() []sign {
	list := []sign{{"-----END", keyEndSign}}
	for _, t := range []string{
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", // GitHub, GitLab
		"xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxp-", "xoxr-", "xoxs-", "xapp-", // Slack
		"AKIA", "ASIA", "hvs.", "hvb.", "hvr.", // AWS, Vault
		"eyJhbGciOi", // a JSON web token
		// a private key, base64 once more, as in a kubeconfig
		"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt",
		"LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS", "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZ",
	} {
		list = append(list, sign{t, tokenSign})
	}
	for _, k := range []string{"", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "ANY "} {
		list = append(list, sign{"-----BEGIN " + k + "PRIVATE KEY-----", keySign})
	}
	return append(list, sign{"-----BEGIN PGP PRIVATE KEY BLOCK-----", keySign})
}

func newMatcher(patterns []string) *matcher {
	m := &matcher{nodes: make([]matchNode, 1), signs: signs()}
	for _, p := range patterns {
		n := m.insert(p)
		m.nodes[n].match = int32(len(p))
	}
	for i, s := range m.signs {
		m.nodes[m.insert(s.text)].sign = int8(i + 1)
	}
	m.link()
	return m
}

func (m *matcher) insert(p string) int32 {
	var at int32
	for i := range len(p) {
		next := m.find(at, p[i])
		if next == 0 {
			next = int32(len(m.nodes))
			m.nodes = append(m.nodes, matchNode{sibling: m.nodes[at].child, depth: int32(i + 1), char: p[i]})
			m.nodes[at].child = next
			if at == 0 {
				m.root[p[i]] = next
			}
		}
		at = next
	}
	return at
}

// find returns the child of a state, zero if there is none.
func (m *matcher) find(at int32, c byte) int32 {
	if at == 0 {
		return m.root[c]
	}
	if t := m.nodes[at].table; t > 0 {
		return m.tables[t-1][c]
	}
	for n := m.nodes[at].child; n != 0; n = m.nodes[n].sibling {
		if m.nodes[n].char == c {
			return n
		}
	}
	return 0
}

// link sets the fail links, shortest beginnings first, and what follows from them.
func (m *matcher) link() {
	queue := make([]int32, 1, len(m.nodes))
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		children := 0
		for n := m.nodes[at].child; n != 0; n = m.nodes[n].sibling {
			if at != 0 {
				m.inherit(n, m.next(m.nodes[at].fail, m.nodes[n].char))
			}
			queue = append(queue, n)
			children++
		}
		if at != 0 && children > 3 {
			m.spread(at)
		}
	}
}

func (m *matcher) inherit(n, fail int32) {
	node, from := &m.nodes[n], &m.nodes[fail]
	node.fail = fail
	node.match = max(node.match, from.match)
	if node.sign == 0 {
		node.sign = from.sign
	}
}

func (m *matcher) spread(at int32) {
	var t [256]int32
	for n := m.nodes[at].child; n != 0; n = m.nodes[n].sibling {
		t[m.nodes[n].char] = n
	}
	m.tables = append(m.tables, t)
	m.nodes[at].table = int32(len(m.tables))
}

// next is the state after reading c.
func (m *matcher) next(at int32, c byte) int32 {
	for at != 0 {
		if n := m.find(at, c); n != 0 {
			return n
		}
		at = m.nodes[at].fail
	}
	return m.root[c]
}
