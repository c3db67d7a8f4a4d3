package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Loaded is a configuration, and what goes with it.
type Loaded struct {
	Config
	// CheckOnly is set if the configuration is to be shown and nothing else.
	CheckOnly bool
	// Unknown are variables of the environment that look like settings and are none.
	Unknown []string
}

// Load reads the configuration: the defaults, the file that -config or TIDEWIRE_CONFIG
// names, the environment, and the flags, each over the one before. If -help asks for it, all
// flags are shown on output, and the error is flag.ErrHelp.
func Load(args, environ []string, output io.Writer) (l Loaded, err error) {
	var file string
	given := map[string][]string{} // the texts of flags
	flags := newFlags(&l, &file, given)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(output)
			flags.PrintDefaults()
			return l, err
		}
		return l, fmt.Errorf("%w; see -help", err)
	}
	if flags.NArg() > 0 {
		return l, errors.New("standalone takes flags only; see -help")
	}
	variables := variablesOf(environ)
	if file == "" {
		file = variables[fileVariable]
	}
	all := settings(&l.Config)
	if err := l.fill(all, file, variables, given); err != nil {
		return l, err
	}
	l.Unknown = unknown(all, variables)
	return l, l.Check()
}

const fileVariable = prefix + "CONFIG"

func newFlags(l *Loaded, file *string, given map[string][]string) *flag.FlagSet {
	flags := flag.NewFlagSet("standalone", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(file, "config", "", "`file` with settings in JSON; docs/standalone.md has all of them")
	flags.BoolVar(&l.CheckOnly, "check-config", false, "show the configuration without secrets, and end")
	var scratch Config
	for _, s := range settings(&scratch) {
		usage := "`" + s.kind() + "`: " + s.help
		if s.standard != "" {
			usage += " (default " + s.standard + ")"
		}
		take := func(text string) error {
			given[s.name] = append(given[s.name], text)
			return s.set(text)
		}
		if s.field.Kind() == reflect.Bool {
			flags.BoolFunc(s.flag(), s.help, take)
		} else {
			flags.Func(s.flag(), usage, take)
		}
	}
	return flags
}

// fill sets the settings from all sources.
func (l *Loaded) fill(all []setting, file string, variables map[string]string, given map[string][]string) error {
	for _, s := range all {
		if s.standard != "" {
			if err := s.set(s.standard); err != nil {
				return err
			}
		}
	}
	if file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		if err := decode(text, reflect.ValueOf(&l.Config).Elem()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, s := range all {
		if text, ok := variables[s.variable()]; ok {
			if err := s.set(text); err != nil {
				return fmt.Errorf("%s: %w", s.variable(), err)
			}
		}
		if texts := given[s.name]; texts != nil {
			if err := s.set(texts...); err != nil {
				return fmt.Errorf("-%s: %w", s.flag(), err)
			}
		}
	}
	return nil
}

// variablesOf returns the variables of ours that aren't empty.
func variablesOf(environ []string) map[string]string {
	variables := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, prefix) && value != "" {
			variables[name] = value
		}
	}
	return variables
}

// unknown returns the names of variables that are no settings, but for those that Kubernetes
// makes of a service called tidewire.
func unknown(all []setting, variables map[string]string) (names []string) {
	known := map[string]bool{fileVariable: true}
	for _, s := range all {
		known[s.variable()] = true
	}
	for name := range variables {
		if !known[name] && !strings.HasPrefix(name, prefix+"SERVICE_") && !strings.HasPrefix(name, prefix+"PORT") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
