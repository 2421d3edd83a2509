package kubernetes

import (
	"reflect"
	"testing"
)

func TestTheRecordKeepsWholeNumbers(t *testing.T) {
	manifest := map[string]any{"spec": map[string]any{"limit": int64(9007199254740993), "share": 0.5, "items": []any{int64(9223372036854775807)}}}
	packed, err := pack(record{Now: revision{Objects: []object{{APIVersion: "v1", Kind: "Thing", Name: "a", Manifest: manifest}}}})
	if err != nil {
		t.Fatal(err)
	}
	back, err := unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Now.Objects[0].Manifest; !reflect.DeepEqual(got, manifest) {
		t.Errorf("got %#v, want %#v", got, manifest)
	}
}
