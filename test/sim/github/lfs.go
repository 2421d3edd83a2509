package github

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

const lfsMedia = "application/vnd.git-lfs+json"

var (
	lfsPath   = regexp.MustCompile(`^/([^/]+)/([^/]+?)\.git/info/lfs/objects/batch$`)
	lfsObject = regexp.MustCompile(`^/_lfs/([0-9a-f]{64})$`)
)

// LargeFile keeps a text in the repository's Git LFS and returns the pointer that is
// committed in its place.
func (s *Server) LargeFile(repo, text string) (pointer string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	oid := hex.EncodeToString(sum[:])
	if r.large == nil {
		r.large = map[string]string{}
	}
	r.large[oid] = text
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(text)), nil
}

type lfsWanted struct {
	OID  string `json:"oid"`
	Size int64  `json:"size"`
}

// serveBatch is the batch API, for downloads: see git-lfs/docs/api/batch.md.
func (s *Server) serveBatch(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, message string) {
		w.Header().Set("Content-Type", lfsMedia)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message}) // the caller may be gone
	}
	if fault := s.fault(r.Method, r.URL.Path); fault != nil && fault.Status != 0 {
		fault.write(w)
		return
	}
	m := lfsPath.FindStringSubmatch(r.URL.Path)
	_, moved, status := s.openGit(r, m[1]+"/"+m[2])
	s.recordGit(r, status)
	if moved != "" {
		w.Header().Set("Location", strings.Replace(r.URL.Path, m[1]+"/"+m[2], moved, 1))
	}
	if status != http.StatusOK {
		w.Header().Set("LFS-Authenticate", `Basic realm="GitHub"`)
		refuse(status, "Not found")
		return
	}
	var asked struct {
		Operation string      `json:"operation"`
		Transfers []string    `json:"transfers"`
		Objects   []lfsWanted `json:"objects"`
	}
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&asked)
	switch {
	case r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Accept"), lfsMedia):
		refuse(http.StatusNotAcceptable, "The Accept header must be "+lfsMedia)
	case !strings.HasPrefix(r.Header.Get("Content-Type"), lfsMedia) || err != nil:
		refuse(http.StatusUnprocessableEntity, "The body cannot be read")
	case asked.Operation != "download" || len(asked.Objects) == 0 || len(asked.Objects) > 100:
		refuse(http.StatusUnprocessableEntity, "Only downloads of up to 100 objects")
	default:
		w.Header().Set("Content-Type", lfsMedia)
		_ = json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "hash_algo": "sha256", "objects": s.offer(m[1]+"/"+m[2], asked.Objects)})
	}
}

// offer is what is said of each object: where it is, for a while, or that it is not there.
func (s *Server) offer(repo string, wanted []lfsWanted) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	var out []any
	for _, o := range wanted {
		one := map[string]any{"oid": o.OID, "size": o.Size}
		text, known := "", false
		if err == nil {
			text, known = r.large[o.OID]
		}
		switch {
		case !known:
			one["error"] = map[string]any{"code": 404, "message": "Object does not exist on the server"}
		case int64(len(text)) != o.Size:
			one["error"] = map[string]any{"code": 422, "message": "Wrong size"}
		default:
			signature := rand.Text()
			if s.offered == nil {
				s.offered = map[string]string{}
			}
			s.offered[signature] = text
			href := s.base + "/_lfs/" + o.OID + "?X-Amz-Signature=" + signature
			one["authenticated"] = true
			one["actions"] = map[string]any{"download": map[string]any{"href": href, "expires_in": 3600}}
		}
		out = append(out, one)
	}
	return out
}

// serveLarge gives out an object at its signed address. As the stores do that GitHub
// uses, it takes no second means of authentication.
func (s *Server) serveLarge(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	text, signed := s.offered[r.URL.Query().Get("X-Amz-Signature")]
	s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "":
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
	case !signed || r.Method != http.MethodGet:
		http.Error(w, "Access Denied", http.StatusForbidden)
	default:
		_, _ = io.WriteString(w, text)
	}
}
