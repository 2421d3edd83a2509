package shell

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// contain turns the order into one that runs the script in a container of the
// step's image. Paths are the same inside. The engine's command gets the
// values from its environment; its argv holds names only.
func (r *Runner) contain(ctx context.Context, j job, o *order, vars script.Environ) error {
	if err := script.CheckImage(j.Step.Image); err != nil {
		return err
	}
	engine, err := r.engine(ctx, j)
	if err != nil {
		return err
	}
	name := "shipmate-" + string(j.Run.ID) + "-" + filepath.Base(filepath.Dir(string(o.Dir))) + "-" + filepath.Base(string(o.Dir))
	argv := []string{
		engine, "run", "--rm", "--init", "--name", name, "--label", "shipmate.run=" + string(j.Run.ID),
		"--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
		"--workdir", o.Dir.src(),
		"--volume", o.Dir.src() + ":" + o.Dir.src(),
		"--volume", o.Dir.home() + ":" + o.Dir.home(),
		"--volume", o.Dir.io() + ":" + o.Dir.io(),
		"--volume", o.Dir.script() + ":" + o.Dir.script() + ":ro",
	}
	for _, v := range slices.Sorted(maps.Keys(vars)) {
		argv = append(argv, "--env", v)
	}
	argv = append(argv, "--entrypoint", o.Argv[0], j.Step.Image)
	o.Argv = append(argv, o.Argv[1:]...)
	o.After = []string{engine, "rm", "--force", name}
	o.AfterEnv = r.cfg.EngineEnv
	for _, v := range r.cfg.EngineEnv {
		if name, value, ok := strings.Cut(v, "="); ok {
			vars[name] = value
		}
	}
	return nil
}

// engine is the path of the container engine's command, once the engine answers.
func (r *Runner) engine(ctx context.Context, j job) (string, error) {
	refuse := func(err error) error {
		return &pipeline.Error{Code: "no_container_engine", Err: err, Message: fmt.Sprintf(
			"`%s` asks for the image %s, but on %s there is no container engine that answers. "+
				"Start one there, take `image:` away, or run scripts on Kubernetes (SHIPMATE_RUNNER=kubernetes).",
			j.Step.Name, j.Step.Image, r.cfg.Host)}
	}
	path, err := lookPath(r.cfg.Engine, r.cfg.Path)
	if err != nil {
		return "", refuse(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version", "--format", "{{.Server.Version}}")
	cmd.Env = append([]string{"PATH=" + r.cfg.Path}, r.cfg.EngineEnv...)
	if err := cmd.Run(); err != nil {
		return "", refuse(err)
	}
	return path, nil
}

// lookPath finds a program in the folders of path; exec.LookPath knows only our own PATH.
func lookPath(program, path string) (string, error) {
	if filepath.IsAbs(program) {
		return program, nil
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, program)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: not found on %s", program, path)
}
