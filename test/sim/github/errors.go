package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an answer other than 2xx, in GitHub's shape.
type apiError struct {
	status  int
	message string
	errors  []any // FieldError, or a sentence
	docs    string
	header  http.Header
}

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Resource string   `json:"resource"`
	Field    string   `json:"field,omitempty"`
	Code     string   `json:"code"`
	Message  string   `json:"message,omitempty"`
	Contexts []Failed `json:"contexts,omitempty"`
}

// Failed is a context that keeps a deployment from being made.
type Failed struct {
	Context string `json:"context"`
	State   string `json:"state"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

func (e *apiError) MarshalJSON() ([]byte, error) {
	docs := e.docs
	if docs == "" {
		docs = "https://docs.github.com/rest"
	}
	return json.Marshal(struct {
		Message          string `json:"message"`
		Errors           []any  `json:"errors,omitempty"`
		DocumentationURL string `json:"documentation_url"`
		Status           string `json:"status"`
	}{e.message, e.errors, docs, strconv.Itoa(e.status)})
}

func notFound() error       { return &apiError{status: 404, message: "Not Found"} }
func badCredentials() error { return &apiError{status: 401, message: "Bad credentials"} }

func forbidden(format string, args ...any) error {
	return &apiError{status: 403, message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &apiError{status: 409, message: fmt.Sprintf(format, args...)}
}

func badRequest(message string) error { return &apiError{status: 400, message: message} }

// unprocessable is a 422 that is about the request as a whole.
func unprocessable(format string, args ...any) error {
	return &apiError{status: 422, message: fmt.Sprintf(format, args...)}
}

// invalid is a 422 Validation Failed about single fields.
func invalid(errors ...FieldError) error {
	e := &apiError{status: 422, message: "Validation Failed"}
	for _, f := range errors {
		e.errors = append(e.errors, f)
	}
	return e
}

func missing(resource, field string) error {
	return invalid(FieldError{Resource: resource, Field: field, Code: "missing_field"})
}

func wrong(resource, field string) error {
	return invalid(FieldError{Resource: resource, Field: field, Code: "invalid"})
}

func custom(resource, field, message string) error {
	return invalid(FieldError{Resource: resource, Field: field, Code: "custom", Message: message})
}
