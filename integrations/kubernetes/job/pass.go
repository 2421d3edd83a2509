package job

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/shipmate/shipmate/pipeline"
)

// pass is what a bot makes its token for a pod's shim from, together with a key
// that only bots have. So nothing that is stored opens the shim, and yet every
// replica can take a pod over. The shim knows the token's hash.
type pass struct {
	Salt string `json:"salt"`
	Hash string `json:"hash"`
}

func newPass(key pipeline.Secret) pass {
	salt := rand.Text()
	return pass{Salt: salt, Hash: hash(tokenOf(key, salt))}
}

// token is the one the shim waits for; "" if the key it was made with is none
// of these any more, and then the shim refuses.
func (p pass) token(keys []pipeline.Secret) string {
	for _, key := range keys {
		if token := tokenOf(key, p.Salt); hash(token) == p.Hash {
			return token
		}
	}
	return ""
}

func tokenOf(key pipeline.Secret, salt string) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte("the token of a pod's shim, version 1: " + salt))
	return hex.EncodeToString(mac.Sum(nil))
}
