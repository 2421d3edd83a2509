package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// Each script says at its top what its keys, arguments and result are.
var (
	//go:embed scripts/queue.lua
	queueLua string
	//go:embed scripts/commit.lua
	commitLua string
	//go:embed scripts/enqueue.lua
	enqueueLua string
	//go:embed scripts/accept.lua
	acceptLua string
	//go:embed scripts/take.lua
	takeLua string
	//go:embed scripts/renew.lua
	renewLua string
	//go:embed scripts/finish.lua
	finishLua string
	//go:embed scripts/retry.lua
	retryLua string
	//go:embed scripts/block.lua
	blockLua string
	//go:embed scripts/lift.lua
	liftLua string
	//go:embed scripts/bury.lua
	buryLua string
	//go:embed scripts/requeue.lua
	requeueLua string
	//go:embed scripts/release.lua
	releaseLua string
	//go:embed scripts/move.lua
	moveLua string
	//go:embed scripts/lapse.lua
	lapseLua string
	//go:embed scripts/forget.lua
	forgetLua string
	//go:embed scripts/audit.lua
	auditLua string
	//go:embed scripts/stats.lua
	statsLua string
	//go:embed scripts/budget.lua
	budgetLua string
)

type scripts struct {
	commit, enqueue, accept, take, renew, finish, retry, block, lift, bury, requeue, release, move, lapse, forget, stats, budget, audit *redis.Script
}

func newScripts() scripts {
	queue := func(body string) *redis.Script { return redis.NewScript(queueLua + body) }
	return scripts{
		commit:  queue(commitLua),
		enqueue: queue(enqueueLua),
		accept:  queue(acceptLua),
		take:    redis.NewScript(takeLua),
		renew:   queue(renewLua),
		finish:  queue(finishLua),
		retry:   queue(retryLua),
		block:   queue(blockLua),
		lift:    queue(liftLua),
		bury:    queue(buryLua),
		requeue: queue(requeueLua),
		release: queue(releaseLua),
		move:    queue(moveLua),
		lapse:   redis.NewScript(lapseLua),
		forget:  redis.NewScript(forgetLua),
		stats:   queue(statsLua),
		audit:   redis.NewScript(auditLua),
		budget:  redis.NewScript(budgetLua),
	}
}
