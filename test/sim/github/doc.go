// Package github is GitHub as far as a deployment bot can tell: the REST API,
// webhooks and git over HTTP, with state behind them.
//
// Start with [New] and [Server.Start]. [Server.As] does what a person does on
// github.com; [Server.WaitFor] waits until the bot has done its part;
// [Server.Requests] tells how it did it. What the simulator answers follows the
// official OpenAPI description, see the subpackage openapi. [Server.Inject] makes
// requests fail, [Server.SetLag] has all of them answered as before for a while.
//
//	sim, err := github.New(github.Config{WebhookURL: bot.URL + "/github/webhook"})
//	...
//	base, err := sim.Start()
//	sim.AddUser(github.NewUser{Login: "mona"})
//	sim.CreateRepo(github.NewRepo{Owner: "mona", Name: "shop"})
//	sim.Install("mona/shop")
//	mona := sim.As("mona")
//	mona.Push(github.Push{Repo: "mona/shop", Branch: "topic", Files: map[string]string{"a": "b"}})
//	pr, err := mona.OpenPR(github.NewPR{Repo: "mona/shop", Head: "topic"})
//	mona.Comment("mona/shop", pr.Number, "/deploy staging")
//	err = sim.WaitFor(ctx, func(st *github.State) bool { return len(st.Comments("mona/shop", pr.Number)) == 2 })
package github
