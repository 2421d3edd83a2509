package redisstore

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// maxShards is how many values the first character of a run id has.
const maxShards = 32

// crockford is the alphabet of run ids: no i, l, o, u.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewRunID makes a random id; the value of its first character modulo the
// number of shards is the repository's shard. With 37 random bits or more per
// shard a second use is all but excluded, and Commit refuses it as a conflict.
func (s *Store) NewRunID(repo int64) pipeline.RunID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	shard := s.repoShard(repo)
	choices := (maxShards - shard + s.shards - 1) / s.shards
	first := shard + int(b[0])%choices*s.shards
	id := []byte{'r', '-', crockford[first]}
	for _, x := range b[1:] {
		id = append(id, crockford[x%32])
	}
	return pipeline.RunID(id)
}

func (s *Store) repoShard(repo int64) int {
	h := fnv.New32a()
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(repo)))
	return int(h.Sum32() % uint32(s.shards))
}

func (s *Store) nameShard(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32() % uint32(s.shards))
}

// runShard reads the shard off the id; an id that is none of ours has none.
func (s *Store) runShard(id pipeline.RunID) (int, error) {
	if len(id) == 10 && strings.HasPrefix(string(id), "r-") {
		if v := strings.IndexByte(crockford, id[2]); v >= 0 {
			return v % s.shards, nil
		}
	}
	return 0, fmt.Errorf("run %q: %w", id, pipeline.ErrNotFound)
}

// jobShard: a job lies beside its run, else beside its repository, else where its id says.
func (s *Store) jobShard(j *pipeline.Job) (int, error) {
	switch {
	case j.Run != "":
		return s.runShard(j.Run)
	case j.Repo != 0:
		return s.repoShard(j.Repo), nil
	}
	return s.nameShard(j.ID), nil
}

// shardKeys are the names of a shard's keys. The braces make Redis Cluster put
// all of a shard into one slot, so that one script can change them together.
type shardKeys struct {
	prefix string
	queue  []string // as queue.lua wants them: jobs, delayed, q:control, q:steps, dead, blocked
	wake   string
	open   string
	runs   string
}

func newShardKeys(shard int) shardKeys {
	p := fmt.Sprintf("sm:{%d}:", shard)
	return shardKeys{
		prefix: p,
		queue:  []string{p + "jobs", p + "delayed", p + "q:control", p + "q:steps", p + "dead", p + "blocked"},
		wake:   p + "wake",
		open:   p + "open",
		runs:   p + "runs",
	}
}

func (k shardKeys) stream(p pipeline.Pool) string {
	if p == pipeline.Steps {
		return k.queue[3]
	}
	return k.queue[2]
}
func (k shardKeys) dead() string                     { return k.queue[4] }
func (k shardKeys) blocked() string                  { return k.queue[5] }
func (k shardKeys) run(id pipeline.RunID) string     { return k.prefix + "run:" + string(id) }
func (k shardKeys) history(id pipeline.RunID) string { return k.run(id) + ":history" }
func (k shardKeys) env(repo int64, name string) string {
	return k.prefix + "env:" + num(repo) + ":" + name
}
func (k shardKeys) deployments(repo int64, name string) string {
	return k.prefix + "deployments:" + num(repo) + ":" + name
}
func (k shardKeys) openOf(repo int64) string { return k.prefix + "open:" + num(repo) }
func (k shardKeys) runsOf(repo int64) string { return k.prefix + "runs:" + num(repo) }
func (k shardKeys) runsOfPR(repo int64, pr int) string {
	return k.runsOf(repo) + ":pr:" + strconv.Itoa(pr)
}
func (k shardKeys) runsOfEnv(repo int64, name string) string { return k.runsOf(repo) + ":env:" + name }
func (k shardKeys) shown(repo int64, subject string) string {
	return k.prefix + "shown:" + num(repo) + ":" + subject
}
func (k shardKeys) seen(key string) string { return k.prefix + "seen:" + key }
func (k shardKeys) audit() string          { return k.prefix + "audit" }
func (k shardKeys) record(repo int64, key string) string {
	return k.prefix + "rec:" + num(repo) + ":" + key
}

func num(n int64) string { return strconv.FormatInt(n, 10) }
