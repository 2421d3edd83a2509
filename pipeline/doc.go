// Package pipeline is the heart of shipmate: what a run is, the rules that
// move it, and the loop that carries the rules out. It knows no vendor.
//
// Start reading at [Next]: it is pure and holds every rule of what a run does
// now. [Gates] is its twin for what must hold before a run may go on. [Engine]
// does what they decide: it loads a run, asks Next, applies the decisions and
// saves run, environment, history, jobs and lease in one [Store.Commit].
//
//	message -> command -> Engine.Start -> Commit(run, job)
//	job     -> Worker  -> Engine       -> Next -> Commit(run, jobs, lease done)
//	                                   -> Runner.Run, between two commits
//	every commit -> report job -> Sink.Show(run)
//
// What others bring: a [Store] and a [Queue] (package redisstore; an in-memory
// pair and the conformance suite both must pass are in pipelinetest), the
// [Runner]s behind a step's "uses" (packages under integrations) and the
// [Sink]s that show a run to people (packages under bot).
package pipeline
