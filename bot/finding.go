package bot

// Finding is something about the settings, ours or those on a platform, that the
// operator should know. Text is a sentence with the next step. It may name
// organizations, so it is for the log and for doctor; the public page has the
// Kind alone.
type Finding struct {
	Kind    string  `json:"kind"`
	Gravity Gravity `json:"gravity"`
	Text    string  `json:"text"`
}

// Gravity says what a Finding comes to.
type Gravity string

const (
	Wrong   Gravity = "wrong"   // it cannot work: the bot does not start
	Lacking Gravity = "lacking" // a part does not work
	Unknown Gravity = "unknown" // nobody answers for now, so nothing is known
)

// Need is a permission, an event or a scope that the bot needs on a platform.
type Need struct {
	Name    string // in the platform's API
	Title   string // on the platform's settings page
	Level   string // of a permission: read or write
	For     string // what it is for
	Without string // what does not work without it
}
