package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine is where and with what the figures were measured.
type machine struct {
	Date       string            `json:"date"`
	CPU        string            `json:"cpu"`
	Processors int               `json:"processors"`
	Kernel     string            `json:"kernel"`
	Load       string            `json:"load"`     // of the minute before the run
	Versions   map[string]string `json:"versions"` // of what the servers are made of
}

func (w *workshop) machine() machine {
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	_, cpu, _ := strings.Cut(read("/proc/cpuinfo"), "model name")
	cpu, _, _ = strings.Cut(cpu, "\n")
	return machine{
		Date:       time.Now().UTC().Format(time.DateOnly),
		CPU:        strings.Trim(cpu, "\t :"),
		Processors: runtime.NumCPU(),
		Kernel:     strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Load:       load,
		Versions:   w.versions(),
	}
}

// versions are those of the compilers, of what the servers import, and of what the others are.
func (w *workshop) versions() map[string]string {
	all := map[string]string{
		"Go":    runtime.Version(),
		"Node":  output("node", "--version"),
		"nginx": output("nginx", "-v"),
		"Nchan": output("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"),
		"Redis": output("redis-server", "--version"),
		"cc":    output("cc", "-dumpfullversion"),
	}
	if info, err := buildinfo.ReadFile(w.file("servers")); err == nil {
		for _, module := range info.Deps {
			if slices.ContainsFunc(servers, func(s server) bool { return s.from == module.Path }) {
				all[module.Path] = module.Version
			}
		}
	}
	delete(all, tidewireModule) // its source is beside this page
	var lock struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if json.Unmarshal([]byte(read("servers/node/package.json")), &lock) == nil {
		maps.Copy(all, lock.Dependencies)
	}
	maps.DeleteFunc(all, func(_, version string) bool { return version == "" })
	return all
}

var aVersion = regexp.MustCompile(`[0-9]+[.:][-+~.:0-9a-z]+`)

// output is the version that a program tells; empty if it isn't there.
func output(name string, args ...string) string {
	text, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput() //nolint:gosec // those above
	if err != nil {
		return ""
	}
	return aVersion.FindString(string(text))
}

// read is the text of a file; empty if it isn't there.
func read(file string) string {
	text, _ := os.ReadFile(file) //nolint:gosec // of the kernel, or of this folder
	return string(text)
}

// String is the paragraph for the page.
func (m machine) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %s, %d processors, Linux %s.\nLoad average of the minute before: %s.\n\n",
		m.Date, m.CPU, m.Processors, m.Kernel, m.Load)
	b.WriteString("| what | version |\n| --- | --- |\n")
	for _, name := range slices.SortedFunc(maps.Keys(m.Versions), func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, m.Versions[name])
	}
	return b.String()
}
