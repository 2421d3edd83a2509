package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/shipmate/shipmate/pipeline"
)

// View is a copy of all objects of one kind in a namespace, kept up to date by
// a watch. Everybody who looks at the same kind shares one copy.
type View struct {
	shared *shared
	views  *views
	once   sync.Once

	notified []chan<- struct{} // guarded by shared.mu
}

// linger is how long a watch outlives the last who looked: the next step wants
// the same kind most of the time.
const linger = time.Minute

// patience is how long a view is waited for that does not fill: who waits
// longer holds a worker, and nobody is told why.
const patience = 15 * time.Second

// Watch returns once the view holds everything there is. Close it. If that takes
// long the error is Temporary; the watch is tried on, so a later call finds it.
func (t Target) Watch(ctx context.Context, kind schema.GroupVersionResource) (*View, error) {
	v := t.views.take(t.Dynamic, viewKey{kind, t.Namespace})
	late := time.NewTimer(t.views.patience)
	defer late.Stop()
	doing := "watch " + kind.Resource
	var err error
	select {
	case <-v.shared.synced:
		return v, nil
	case err = <-v.shared.refused:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-late.C:
		if err = t.Explain(doing, v.shared.trouble()); pipeline.Code(err) == "" {
			err = t.away(doing, cmp.Or(err, t.ask(ctx)))
		}
	}
	v.Close()
	return nil, t.Explain(doing, err)
}

// Get returns the object, or nil. It is shared: do not change it.
func (v *View) Get(name string) *unstructured.Unstructured {
	key := name
	if v.shared.key.namespace != "" {
		key = v.shared.key.namespace + "/" + name
	}
	obj, _, _ := v.shared.informer.GetIndexer().GetByKey(key)
	u, _ := obj.(*unstructured.Unstructured)
	return u
}

// List returns the objects that have the labels. They are shared: do not change them.
func (v *View) List(with labels.Selector) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	_ = cache.ListAll(v.shared.informer.GetIndexer(), with, func(obj any) {
		if u, ok := obj.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
	})
	return out
}

// Owned returns the objects that the one with this UID controls. They are
// shared: do not change them.
func (v *View) Owned(uid types.UID) []*unstructured.Unstructured {
	objs, _ := v.shared.informer.GetIndexer().ByIndex(byOwner, string(uid)) // the index is there
	out := make([]*unstructured.Unstructured, 0, len(objs))
	for _, obj := range objs {
		if u, ok := obj.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
	}
	return out
}

const byOwner = "owner"

func ownerOf(obj any) ([]string, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, nil
	}
	if owner := metav1.GetControllerOf(u); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return nil, nil
}

// Changed is closed at the next change. Take it before looking, so that no
// change is missed in between.
func (v *View) Changed() <-chan struct{} {
	v.shared.mu.Lock()
	defer v.shared.mu.Unlock()
	return v.shared.changed
}

// Notify has a token put into c at every change from now on, if c has room.
// Several views may share one c.
func (v *View) Notify(c chan<- struct{}) {
	v.shared.mu.Lock()
	defer v.shared.mu.Unlock()
	v.notified = append(v.notified, c)
	v.shared.told[c]++
}

// Close says that the view is not looked at any more.
func (v *View) Close() {
	v.once.Do(func() {
		v.shared.mu.Lock()
		for _, c := range v.notified {
			if v.shared.told[c]--; v.shared.told[c] == 0 {
				delete(v.shared.told, c)
			}
		}
		v.shared.mu.Unlock()
		v.views.drop(v.shared)
	})
}

type viewKey struct {
	kind      schema.GroupVersionResource
	namespace string
}

// views are the watches of one cluster.
type views struct {
	log      *slog.Logger
	patience time.Duration
	mu       sync.Mutex
	open     map[viewKey]*shared
	work     sync.WaitGroup
}

// shared is one watch and what it has seen.
type shared struct {
	key      viewKey
	informer cache.SharedIndexInformer
	stop     context.CancelFunc
	synced   chan struct{} // closed when everything there is has been seen
	refused  chan error    // why the server does not let us watch, while it does not

	users int // guarded by views.mu, and the next:
	idle  *time.Timer

	mu      sync.Mutex
	last    error // of the watch, as long as it has not begun
	changed chan struct{}
	told    map[chan<- struct{}]int
}

func (vs *views) take(client dynamic.Interface, key viewKey) *View {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	s, ok := vs.open[key]
	if !ok {
		s = vs.start(client, key)
		vs.open[key] = s
	}
	s.users++
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	return &View{shared: s, views: vs}
}

func (vs *views) start(client dynamic.Interface, key viewKey) *shared {
	ctx, stop := context.WithCancel(context.Background()) // it outlives the call that began it
	s := &shared{key: key, stop: stop, synced: make(chan struct{}), refused: make(chan error), changed: make(chan struct{}), told: map[chan<- struct{}]int{}}
	s.informer = dynamicinformer.NewFilteredDynamicInformer(client, key.kind, key.namespace, 0, cache.Indexers{byOwner: ownerOf}, nil).Informer()
	// Both errors say that the informer runs already; it does not.
	_ = s.informer.SetTransform(slim)
	_ = s.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) { s.failed(ctx, vs.log, err) })
	_, _ = s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { s.tell() }, UpdateFunc: func(any, any) { s.tell() }, DeleteFunc: func(any) { s.tell() },
	})
	vs.work.Go(func() { s.informer.RunWithContext(ctx) })
	vs.work.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), s.informer.HasSynced) {
			close(s.synced)
		}
	})
	return s
}

// slim drops what nobody reads, which is half of most objects.
func slim(obj any) (any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
	}
	return obj, nil
}

// failed hands a refusal to whoever waits. Anything else may pass: the informer
// tries again by itself.
func (s *shared) failed(ctx context.Context, log *slog.Logger, err error) {
	s.mu.Lock()
	s.last = err
	s.mu.Unlock()
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) && misconfigured(err) == "" {
		return
	}
	log.Warn("watch refused", "kind", s.key.kind.Resource, "namespace", s.key.namespace, "err", err)
	for {
		select {
		case s.refused <- err:
		case <-time.After(time.Second):
			return
		case <-ctx.Done():
			return
		}
	}
}

// trouble is why the watch did not begin when it was last tried, if that is known.
func (s *shared) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *shared) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	for c := range s.told {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (vs *views) drop(s *shared) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if s.users--; s.users > 0 || vs.open[s.key] != s {
		return
	}
	s.idle = time.AfterFunc(linger, func() {
		vs.mu.Lock()
		defer vs.mu.Unlock()
		if s.users == 0 && vs.open[s.key] == s {
			delete(vs.open, s.key)
			s.stop()
		}
	})
}

// close ends all watches, whoever still looks.
func (vs *views) close() {
	vs.mu.Lock()
	for key, s := range vs.open {
		if s.idle != nil {
			s.idle.Stop()
		}
		s.stop()
		delete(vs.open, key)
	}
	vs.mu.Unlock()
	vs.work.Wait()
}

// Known kinds that are watched by name.
var (
	Pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	Events      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	Jobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	ReplicaSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	Deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
)
