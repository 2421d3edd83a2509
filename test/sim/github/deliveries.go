package github

import (
	"encoding/json"
	"slices"
	"time"
)

// deliveryInfo is a delivery as the API shows it.
type deliveryInfo struct {
	ID             int64           `json:"id"`
	GUID           string          `json:"guid"`
	DeliveredAt    time.Time       `json:"delivered_at"`
	Redelivery     bool            `json:"redelivery"`
	Duration       float64         `json:"duration"`
	Status         string          `json:"status"`
	StatusCode     int             `json:"status_code"`
	Event          string          `json:"event"`
	Action         *string         `json:"action"`
	InstallationID *int64          `json:"installation_id"`
	RepositoryID   *int64          `json:"repository_id"`
	ThrottledAt    *time.Time      `json:"throttled_at"`
	URL            string          `json:"url,omitempty"`
	Request        *deliveredPart  `json:"request,omitempty"`
	Response       *deliveryAnswer `json:"response,omitempty"`
}

type deliveredPart struct {
	Headers map[string]string `json:"headers"`
	Payload json.RawMessage   `json:"payload"`
}

type deliveryAnswer struct {
	Headers map[string]string `json:"headers"`
	Payload string            `json:"payload"`
}

func (dl *Delivery) info() deliveryInfo {
	out := deliveryInfo{
		ID: dl.ID, GUID: dl.GUID, DeliveredAt: dl.DeliveredAt, Redelivery: dl.Redelivery,
		Duration: dl.Duration.Seconds(), Status: dl.Status, StatusCode: dl.StatusCode,
		Event: dl.Event, Action: orNil(dl.Action), InstallationID: &dl.InstallationID,
	}
	if dl.RepositoryID != 0 {
		out.RepositoryID = &dl.RepositoryID
	}
	return out
}

// hookConfig is the App's webhook as the API shows it.
type hookConfig struct {
	ContentType string `json:"content_type"`
	InsecureSSL string `json:"insecure_ssl"`
	Secret      string `json:"secret,omitempty"`
	URL         string `json:"url,omitempty"`
}

// getHookConfig masks the secret, as GitHub does.
func (s *Server) getHookConfig(*call) (*reply, error) {
	if s.cfg.WebhookURL == "" {
		return nil, notFound()
	}
	h := hookConfig{ContentType: "json", InsecureSSL: "0", URL: s.cfg.WebhookURL, Secret: "********"}
	if s.cfg.NoWebhookSecret {
		h.Secret = ""
	}
	if s.cfg.WebhookForm {
		h.ContentType = "form"
	}
	return ok(h), nil
}

func (s *Server) listDeliveries(c *call) (*reply, error) {
	var done []*Delivery
	for _, dl := range slices.Backward(s.hooks.all) {
		good := dl.StatusCode >= 200 && dl.StatusCode < 400
		status := c.query.Get("status")
		if !dl.Pending && (status == "" || good == (status == "success")) {
			done = append(done, dl)
		}
	}
	out := []deliveryInfo{}
	for _, dl := range cursorPage(c, done, "cursor", func(dl *Delivery) int64 { return dl.ID }) {
		out = append(out, dl.info())
	}
	return ok(out), nil
}

func (c *call) delivery() (*Delivery, error) {
	for _, dl := range c.s.hooks.all {
		if dl.ID == c.number("delivery") && !dl.Pending {
			return dl, nil
		}
	}
	return nil, notFound()
}

func (s *Server) getDelivery(c *call) (*reply, error) {
	dl, err := c.delivery()
	if err != nil {
		return nil, err
	}
	out := dl.info()
	out.URL = s.cfg.WebhookURL
	out.Request = &deliveredPart{dl.Header, dl.Body}
	out.Response = &deliveryAnswer{map[string]string{}, dl.ResponseBody}
	return ok(out), nil
}

func (s *Server) createAttempt(c *call) (*reply, error) {
	dl, err := c.delivery()
	if err != nil {
		return nil, err
	}
	s.redeliver(dl)
	return &reply{status: 202, body: struct{}{}}, nil
}
