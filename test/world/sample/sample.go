// Package sample is the service that tests and the playground deploy: "shop",
// a static page built, checked and deployed by plain shell scripts. Its files
// are in the folder shop, its changes in the folders beside it.
package sample

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed all:shop sale broken
var folders embed.FS

// Files are the files of the service, by path. It is deployed to
// siteDir/<environment>/current, which people see at siteURL/<environment>/.
func Files(siteDir, siteURL string) map[string]string {
	files := folder("shop")
	fill := strings.NewReplacer("@SITE@", siteDir, "@URL@", siteURL)
	files[".shipmate.yaml"] = fill.Replace(files[".shipmate.yaml"])
	return files
}

// Sale are the files that a good change replaces: lower prices.
func Sale() map[string]string { return folder("sale") }

// Broken are the files that a bad change replaces: the build passes, but a
// product costs nothing, so the checks fail, and so does a deploy of it.
func Broken() map[string]string { return folder("broken") }

// folder reads one of the embedded folders, which are part of the program.
func folder(name string) map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(folders, name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := folders.ReadFile(path)
		files[strings.TrimPrefix(path, name+"/")] = string(text)
		return err
	})
	if err != nil {
		panic(err)
	}
	return files
}
