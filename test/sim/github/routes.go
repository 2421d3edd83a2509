package github

// table lists every endpoint with who may call it and the permission it takes,
// as docs.github.com lists them under "Permissions required for GitHub Apps".
func (s *Server) table() []route {
	const (
		repo    = "/repos/{owner}/{repo}"
		talk    = "issues=write pull_requests=write"
		listen  = "issues=read pull_requests=read"
		comment = repo + "/issues/comments/{comment}"
		onLine  = repo + "/pulls/comments/{comment}"
	)
	return []route{
		endpoint("GET /app", byApp, "", s.getApp),
		endpoint("GET /app/installations", byApp, "", s.listInstallations),
		endpoint("GET /app/installations/{installation}", byApp, "", s.getInstallation),
		endpoint("POST /app/installations/{installation}/access_tokens", byApp, "", s.createToken),
		endpoint("GET /app/hook/config", byApp, "", s.getHookConfig),
		endpoint("GET /app/hook/deliveries", byApp, "", s.listDeliveries),
		endpoint("GET /app/hook/deliveries/{delivery}", byApp, "", s.getDelivery),
		endpoint("POST /app/hook/deliveries/{delivery}/attempts", byApp, "", s.createAttempt),
		endpoint("GET "+repo+"/installation", byApp, "", s.getRepositoryInstallation),
		endpoint("GET /orgs/{login}/installation", byApp, "", s.getAccountInstallation),
		endpoint("GET /users/{login}/installation", byApp, "", s.getAccountInstallation),
		endpoint("GET /rate_limit", byAnyone, "", s.getRateLimit),

		endpoint("GET /installation/repositories", byInstallation, "metadata=read", s.listInstallationRepositories),
		endpoint("DELETE /installation/token", byInstallation, "", s.revokeToken),
		endpoint("GET /users/{username}", byInstallation, "", s.getUser),
		endpoint("GET /apps/{slug}", byInstallation, "", s.getAppBySlug),
		endpoint("GET /user", byUser, "", s.getMe),
		endpoint("GET /user/{id}", byInstallation, "", s.getUserByID),
		endpoint("GET /orgs/{org}/members/{username}", byInstallation, "members=read", s.isOrgMember),
		endpoint("GET /orgs/{org}/teams", byInstallation, "members=read", s.listTeams),
		endpoint("GET /orgs/{org}/teams/{slug}", byInstallation, "members=read", s.getTeam),
		endpoint("GET /orgs/{org}/teams/{slug}/members", byInstallation, "members=read", s.listTeamMembers),
		endpoint("GET /orgs/{org}/teams/{slug}/memberships/{username}", byInstallation, "members=read", s.getMembership),

		endpoint("GET "+repo, byInstallation, "metadata=read", s.getRepository),
		endpoint("GET "+repo+"/collaborators/{username}", byInstallation, "metadata=read", s.isCollaborator),
		endpoint("GET "+repo+"/collaborators/{username}/permission", byInstallation, "metadata=read", s.getPermission),

		endpoint("GET "+repo+"/contents", byInstallation, "contents=read", s.getContents),
		endpoint("GET "+repo+"/contents/{path...}", byInstallation, "contents=read", s.getContents),
		endpoint("GET "+repo+"/activity", byInstallation, "contents=read", s.listActivity),
		endpoint("GET "+repo+"/branches", byInstallation, "contents=read", s.listBranches),
		endpoint("GET "+repo+"/branches/{branch...}", byInstallation, "contents=read", s.getBranch),
		endpoint("GET "+repo+"/tags", byInstallation, "metadata=read", s.listTags),
		endpoint("GET "+repo+"/git/ref/{ref...}", byInstallation, "contents=read", s.getRef),
		endpoint("GET "+repo+"/git/matching-refs/{ref...}", byInstallation, "contents=read", s.matchingRefs),
		endpoint("GET "+repo+"/git/commits/{sha}", byInstallation, "contents=read", s.getGitCommit),
		endpoint("GET "+repo+"/compare/{basehead...}", byInstallation, "contents=read", s.compare),

		creates(endpoint("POST "+repo+"/statuses/{sha}", byInstallation, "statuses=write", s.createStatus)),
		endpoint("GET "+repo+"/commits/{ref...}/statuses", byInstallation, "statuses=read", s.listStatuses),
		endpoint("GET "+repo+"/commits/{ref...}/status", byInstallation, "statuses=read", s.getCombinedStatus),

		creates(endpoint("POST "+repo+"/check-runs", byInstallation, "checks=write", s.createCheckRun)),
		endpoint("PATCH "+repo+"/check-runs/{run}", byInstallation, "checks=write", s.updateCheckRun),
		endpoint("GET "+repo+"/check-runs/{run}", byInstallation, "checks=read", s.getCheckRun),
		endpoint("GET "+repo+"/check-runs/{run}/annotations", byInstallation, "checks=read", s.listAnnotations),
		endpoint("GET "+repo+"/check-suites/{suite}", byInstallation, "checks=read", s.getCheckSuite),
		endpoint("GET "+repo+"/check-suites/{suite}/check-runs", byInstallation, "checks=read", s.listSuiteRuns),
		endpoint("GET "+repo+"/commits/{ref...}/check-runs", byInstallation, "checks=read", s.listCheckRuns),
		endpoint("GET "+repo+"/commits/{ref...}/check-suites", byInstallation, "checks=read", s.listCheckSuites),

		endpoint("GET "+repo+"/commits/{ref...}/pulls", byInstallation, "pull_requests=read contents=read", s.listCommitPulls),
		endpoint("GET "+repo+"/commits", byInstallation, "contents=read", s.listCommits),
		endpoint("GET "+repo+"/commits/{ref...}", byInstallation, "contents=read", s.getCommit),

		creates(endpoint("POST "+repo+"/deployments", byInstallation, "deployments=write", s.createDeployment)),
		endpoint("GET "+repo+"/deployments", byInstallation, "deployments=read", s.listDeployments),
		endpoint("GET "+repo+"/deployments/{deployment}", byInstallation, "deployments=read", s.getDeployment),
		creates(endpoint("POST "+repo+"/deployments/{deployment}/statuses", byInstallation, "deployments=write", s.createDeploymentStatus)),
		endpoint("GET "+repo+"/deployments/{deployment}/statuses", byInstallation, "deployments=read", s.listDeploymentStatuses),
		endpoint("GET "+repo+"/deployments/{deployment}/statuses/{status}", byInstallation, "deployments=read", s.getDeploymentStatus),

		endpoint("GET "+comment, byInstallation, listen, s.getComment),
		endpoint("PATCH "+comment, byInstallation, talk, s.updateComment),
		endpoint("DELETE "+comment, byInstallation, talk, s.deleteComment),
		endpoint("GET "+comment+"/reactions", byInstallation, listen, s.listReactions),
		creates(endpoint("POST "+comment+"/reactions", byInstallation, talk, s.createReaction)),
		endpoint("DELETE "+comment+"/reactions/{reaction}", byInstallation, talk, s.deleteReaction),
		endpoint("GET "+repo+"/issues/{number}", byInstallation, listen, s.getIssue),
		endpoint("GET "+repo+"/issues/{number}/comments", byInstallation, listen, s.listComments),
		creates(endpoint("POST "+repo+"/issues/{number}/comments", byInstallation, talk, s.createComment)),
		endpoint("GET "+repo+"/issues/{number}/timeline", byInstallation, listen, s.listTimeline),

		endpoint("GET "+repo+"/pulls", byInstallation, "pull_requests=read", s.listPulls),
		endpoint("GET "+repo+"/pulls/{number}", byInstallation, "pull_requests=read", s.getPull),
		endpoint("GET "+repo+"/pulls/{number}/files", byInstallation, "pull_requests=read", s.listPullFiles),
		endpoint("GET "+repo+"/pulls/{number}/commits", byInstallation, "pull_requests=read", s.listPullCommits),
		endpoint("GET "+repo+"/pulls/{number}/reviews", byInstallation, "pull_requests=read", s.listReviews),
		endpoint("GET "+repo+"/pulls/{number}/reviews/{review}", byInstallation, "pull_requests=read", s.getReview),
		endpoint("GET "+repo+"/pulls/{number}/comments", byInstallation, "pull_requests=read", s.listReviewComments),
		endpoint("GET "+onLine, byInstallation, "pull_requests=read", s.getReviewComment),
		endpoint("GET "+onLine+"/reactions", byInstallation, "pull_requests=read", s.listReactions),
		creates(endpoint("POST "+onLine+"/reactions", byInstallation, "pull_requests=write", s.createReaction)),
		endpoint("DELETE "+onLine+"/reactions/{reaction}", byInstallation, "pull_requests=write", s.deleteReaction),
		endpoint("GET "+repo+"/pulls/{number}/merge", byInstallation, "pull_requests=read", s.isMerged),
		endpoint("PUT "+repo+"/pulls/{number}/merge", byInstallation, "contents=write", s.mergePull),
	}
}
