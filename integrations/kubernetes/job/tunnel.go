package job

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
)

// forwardProtocol is the one in which a connection to a port of a pod travels
// through the API server: messages, each with the number of its channel first
// (k8s.io/cri-streaming/pkg/streaming/portforward). One connection costs some
// ten kilobytes; SPDY, which kubectl speaks, would cost a megabyte of tables.
const forwardProtocol = "v4.channel.k8s.io"

// Channels of forwardProtocol, for one port.
const (
	dataChannel  = 0
	errorChannel = 1
)

const bufferSize = 4 << 10 // of a connection, in each direction

// tunnel is a connection to a pod's port on its loopback.
type tunnel struct {
	*websocket.Conn
	rest []byte // of the last message
	head [errorChannel + 1]bool
	mu   sync.Mutex // over writes
}

// dial opens a connection to the port of a pod. It fails when the pod is gone.
func dial(ctx context.Context, t cluster.Target, pod string, port int) (net.Conn, error) {
	at := t.Typed.CoreV1().RESTClient().Get().Namespace(t.Namespace).Resource("pods").Name(pod).SubResource("portforward").
		Param("ports", strconv.Itoa(port)).URL()
	ws, err := upgrade(ctx, t.REST, at)
	if err != nil {
		return nil, err
	}
	c := &tunnel{Conn: ws}
	ws.SetReadLimit(1 << 20)
	// The port's number comes first, on both channels: then the pod is there.
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	for !c.head[dataChannel] || !c.head[errorChannel] {
		if err := c.message(); err != nil {
			_ = ws.Close()
			return nil, err
		}
	}
	return c, nil
}

// upgrade is client-go's transport/websocket with smaller buffers.
func upgrade(ctx context.Context, cfg *rest.Config, at *url.URL) (*websocket.Conn, error) {
	settings, err := cfg.TransportConfig()
	if err != nil {
		return nil, err
	}
	tls, err := transport.TLSConfigFor(settings)
	if err != nil {
		return nil, err
	}
	up := &upgrader{dialer: websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: tls, Subprotocols: []string{forwardProtocol},
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, HandshakeTimeout: 15 * time.Second,
	}}
	if cfg.Proxy != nil {
		up.dialer.Proxy = cfg.Proxy
	}
	wrapped, err := transport.HTTPWrappersForConfig(settings, up)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := wrapped.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return up.conn, resp.Body.Close()
}

// upgrader is a round tripper, so that client-go's wrappers add the credentials.
type upgrader struct {
	dialer websocket.Dialer
	conn   *websocket.Conn
}

func (u *upgrader) RoundTrip(req *http.Request) (*http.Response, error) {
	at := *req.URL
	at.Scheme = map[string]string{"https": "wss", "http": "ws"}[at.Scheme]
	conn, resp, err := u.dialer.DialContext(req.Context(), at.String(), req.Header)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		defer resp.Body.Close()
		return nil, refused(resp)
	}
	u.conn = conn
	return resp, err
}

// refused is what the API server says instead of a connection.
func refused(resp *http.Response) error {
	text := make([]byte, 4<<10)
	n, _ := resp.Body.Read(text) // gorilla keeps the beginning
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: int32(resp.StatusCode), Reason: reasons()[resp.StatusCode], //nolint:gosec // three digits
		Message: fmt.Sprintf("port-forward: %s: %s", resp.Status, text[:n]),
	}}
}

func reasons() map[int]metav1.StatusReason {
	return map[int]metav1.StatusReason{
		http.StatusUnauthorized: metav1.StatusReasonUnauthorized, http.StatusForbidden: metav1.StatusReasonForbidden,
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests,
		http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusServiceUnavailable: metav1.StatusReasonServiceUnavailable,
		http.StatusBadGateway: metav1.StatusReasonServiceUnavailable, http.StatusGatewayTimeout: metav1.StatusReasonTimeout,
	}
}

// message takes one message: more data, or the end.
func (c *tunnel) message() error {
	_, b, err := c.ReadMessage()
	if err != nil {
		return err
	}
	if len(b) == 0 || b[0] > errorChannel {
		return errors.New("port-forward: a message of no channel")
	}
	channel, b := b[0], b[1:]
	switch {
	case !c.head[channel] && len(b) == 2:
		c.head[channel] = true
	case !c.head[channel]:
		return errors.New("port-forward: the port's number is missing")
	case channel == errorChannel:
		return fmt.Errorf("port-forward: %s", b)
	default:
		c.rest = b
	}
	return nil
}

func (c *tunnel) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.message(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *tunnel) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, err := c.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write([]byte{dataChannel}); err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	if err != nil {
		return n, err
	}
	return n, w.Close()
}

func (c *tunnel) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
