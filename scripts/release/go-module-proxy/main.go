// Command go-module-proxy writes modules of a Git repository as a tree of files that the go command
// accepts as a module proxy (GOPROXY=file://...). It packs them by the same rules as the proxies do
// that take them from a tag: golang.org/x/mod/zip.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("go-module-proxy: ")
	repository := flag.String("repository", ".", "the Git repository's `directory`")
	revision := flag.String("revision", "", "the hash of the `commit` that the modules are taken from")
	version := flag.String("version", "", "their version, such as `v1.2.3`")
	output := flag.String("output", "", "the `directory` to write to")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: go-module-proxy [flags] directory-of-module ...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *revision == "" || *version == "" || *output == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	for _, directory := range flag.Args() {
		source := source{*repository, *revision, directory}
		if err := source.publish(*version, *output); err != nil {
			log.Fatalf("%s: %v", directory, err)
		}
	}
}

// source is a module in a commit of a repository.
type source struct{ repository, revision, directory string }

func (s source) git(arguments ...string) ([]byte, error) {
	command := exec.Command("git", append([]string{"-C", s.repository}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", arguments[0], err, stderr.String())
	}
	return output, nil
}

// publish writes the version's files (list, .info, .mod and .zip) below output.
func (s source) publish(version, output string) error {
	goMod, err := s.git("show", s.revision+":"+path.Join(s.directory, "go.mod"))
	if err != nil {
		return err
	}
	file, err := modfile.Parse("go.mod", goMod, nil)
	if err != nil {
		return err
	}
	if err := checkReplacements(file, version); err != nil {
		return err
	}
	packed := module.Version{Path: file.Module.Mod.Path, Version: version}
	if err := module.Check(packed.Path, packed.Version); err != nil {
		return err
	}
	escaped, err := module.EscapePath(packed.Path)
	if err != nil {
		return err
	}
	committed, err := s.git("show", "--no-patch", "--format=%cI", s.revision)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(committed)))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, at.UTC()})
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	// CreateFromVCS wants the directory that contains .git, which a linked worktree does not have.
	gitDirectory, err := s.git("rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return err
	}
	root := filepath.Dir(strings.TrimSpace(string(gitDirectory)))
	if err := zip.CreateFromVCS(&archive, packed, root, s.revision, s.directory); err != nil {
		return err
	}
	directory := filepath.Join(output, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"list":            []byte(version + "\n"),
		version + ".info": info,
		version + ".mod":  goMod,
		version + ".zip":  archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkReplacements refuses a module that works only with its replace directives: the go command
// ignores those of dependencies. What it replaces must be required at the version of this release.
func checkReplacements(file *modfile.File, version string) error {
	required := map[string]string{}
	for _, require := range file.Require {
		required[require.Mod.Path] = require.Mod.Version
	}
	for _, replace := range file.Replace {
		if found := required[replace.Old.Path]; found != version {
			return fmt.Errorf("go.mod replaces %s, and requires %q of it instead of %s",
				replace.Old.Path, found, version)
		}
	}
	return nil
}
