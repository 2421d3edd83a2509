package objectdiff

import (
	"fmt"
	"strings"
	"testing"
)

func object(data map[string]any) map[string]any {
	return map[string]any{"kind": "x", "data": data}
}

func TestSecretsAreNeverShown(t *testing.T) {
	was := Objects{"Secret a": object(map[string]any{"key": "b2xk", "same": "c2FtZQ=="})}
	will := Objects{"Secret a": object(map[string]any{"key": "bmV3", "same": "c2FtZQ==", "more": "bW9yZQ=="})}
	text, changed := Markdown(was, will)
	for _, value := range []string{"b2xk", "bmV3", "c2FtZQ", "bW9yZQ"} {
		if strings.Contains(text, value) {
			t.Errorf("%s is shown:\n%s", value, text)
		}
	}
	if changed != 1 || !strings.Contains(text, "+  key: (secret, another value)") || !strings.Contains(text, "+  more: (secret)") {
		t.Errorf("%d\n%s", changed, text)
	}
	if was["Secret a"]["data"].(map[string]any)["key"] != "b2xk" {
		t.Error("the object itself was changed")
	}
}

func TestWhatIsTheSameIsNotShown(t *testing.T) {
	same := Objects{"ConfigMap a": object(map[string]any{"k": "v"})}
	if text, changed := Markdown(same, same); text != "" || changed != 0 {
		t.Error(changed, text)
	}
}

func TestALongDiffIsCutAtALine(t *testing.T) {
	long := map[string]any{}
	for i := range 2000 {
		long[strings.Repeat("k", 8)+string(rune('a'+i%26))+strings.Repeat("x", i%7)+string(rune('a'+i/26%26))] = "```"
	}
	text, _ := Markdown(nil, Objects{"ConfigMap a": object(long)})
	if len(text) > maxDiff+200 || !strings.Contains(text, "lines more of ConfigMap a\n````") || !strings.HasPrefix(text, "````diff\nConfigMap a: ") {
		t.Error(len(text), text[max(0, len(text)-100):])
	}
}

func TestALongObjectHidesNoOther(t *testing.T) {
	long := map[string]any{}
	for i := range 5000 {
		long[fmt.Sprintf("key-%d", i)] = "value"
	}
	text, changed := Markdown(nil, Objects{"CustomResourceDefinition a": object(long), "Deployment shop": object(map[string]any{"replicas": 3}), "Service shop": object(nil)})
	for _, want := range []string{"```diff\nCustomResourceDefinition a: 500", "\nDeployment shop: 6 lines\n", "lines more of CustomResourceDefinition a\n--- Deployment shop\n", "+  replicas: 3\n", "+++ Service shop\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if changed != 3 || len(text) > maxDiff+400 {
		t.Error(changed, len(text))
	}
}

func TestManyLongObjects(t *testing.T) {
	all := Objects{}
	for i := range 1000 {
		all[fmt.Sprintf("ConfigMap c-%d", i)] = object(map[string]any{"key": strings.Repeat("x", 500)})
	}
	text, changed := Markdown(nil, all)
	if changed != 1000 || !strings.Contains(text, "and 950 objects more, which are not shown\n") || len(text) > 2*maxDiff {
		t.Error(changed, len(text))
	}
}

func TestASecretIsOneByItsKind(t *testing.T) {
	text, _ := Markdown(nil, Objects{"prod/Secret a": {"kind": "Secret", "data": map[string]any{"key": "b2xk"}}})
	if strings.Contains(text, "b2xk") {
		t.Error(text)
	}
}
