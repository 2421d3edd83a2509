package commands

import "github.com/shipmate/shipmate/pipeline"

// RollbackTarget is what /rollback without a target goes back to; history is
// the environment's, newest first. The error is the refusal of the command.
func RollbackTarget(history []pipeline.Deployment, env string) (pipeline.Deployment, error) {
	return rollbackTarget(history, "", env)
}
