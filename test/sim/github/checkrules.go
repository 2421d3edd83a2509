package github

import (
	"slices"
	"unicode/utf8"
)

// check refuses what GitHub refuses.
func (in CheckRunRequest) check() error {
	if in.Status != nil && !slices.Contains([]string{"queued", "in_progress", "completed", "waiting", "requested", "pending"}, *in.Status) {
		return unprocessable("Invalid request.\n\n%s is not a member of [\"queued\", \"in_progress\", \"completed\", \"waiting\", \"requested\", \"pending\"].", *in.Status)
	}
	if in.Conclusion != nil && !slices.Contains([]string{"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}, *in.Conclusion) {
		return unprocessable("Invalid request.\n\n%s is not a member of [\"action_required\", \"cancelled\", \"failure\", \"neutral\", \"success\", \"skipped\", \"timed_out\"].", *in.Conclusion)
	}
	if in.Status != nil && *in.Status == "completed" && in.Conclusion == nil {
		return unprocessable("Invalid request.\n\nMissing required `conclusion` parameter when `status` is completed.")
	}
	if in.DetailsURL != nil && *in.DetailsURL != "" && !isWebURL(*in.DetailsURL) {
		return custom("CheckRun", "details_url", "Details url must be a valid http(s) URL")
	}
	if in.Name != nil && *in.Name == "" {
		return missing("CheckRun", "name")
	}
	if err := in.Output.check(); err != nil {
		return err
	}
	if in.Actions == nil {
		return nil
	}
	if len(*in.Actions) > 3 {
		return unprocessable("Invalid request.\n\nNo more than 3 items are allowed; %d were supplied.", len(*in.Actions))
	}
	for _, a := range *in.Actions {
		if err := a.check(); err != nil {
			return err
		}
	}
	return nil
}

func (a CheckAction) check() error {
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"label", a.Label, 20}, {"description", a.Description, 40}, {"identifier", a.Identifier, 20}} {
		if f.value == "" {
			return unprocessable("Invalid request.\n\n%q wasn't supplied.", f.name)
		}
		if n := utf8.RuneCountInString(f.value); n > f.limit {
			return unprocessable("Invalid request.\n\nOnly %d characters are allowed; %d were supplied.", f.limit, n)
		}
	}
	return nil
}

// maxCheckText is the length of a summary and of a text. The documentation says
// characters; in practice GitHub counts bytes.
const maxCheckText = 65535

func (o *CheckOutput) check() error {
	if o == nil {
		return nil
	}
	if o.Title == nil || *o.Title == "" || o.Summary == nil {
		return required(map[string]bool{"title": o.Title != nil && *o.Title != "", "summary": o.Summary != nil})
	}
	for _, text := range []*string{o.Summary, o.Text} {
		if text != nil && len(*text) > maxCheckText {
			return unprocessable("Invalid request.\n\nOnly %d characters are allowed; %d were supplied.", maxCheckText, len(*text))
		}
	}
	if len(o.Annotations) > 50 {
		return unprocessable("Invalid request.\n\nNo more than 50 items are allowed; %d were supplied.", len(o.Annotations))
	}
	for _, a := range o.Annotations {
		if a.Path == "" || a.StartLine < 1 || a.EndLine < a.StartLine || a.Message == "" || !slices.Contains([]string{"notice", "warning", "failure"}, a.Level) {
			return wrong("CheckAnnotation", "data")
		}
		if (a.StartColumn != nil || a.EndColumn != nil) && a.StartLine != a.EndLine {
			return wrong("CheckAnnotation", "start_column")
		}
	}
	return nil
}
