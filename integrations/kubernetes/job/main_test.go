//go:build !kube

package job

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	asShim()
	os.Exit(m.Run())
}
