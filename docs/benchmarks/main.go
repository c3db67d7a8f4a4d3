// Command benchmarks measures Tidewire beside its peers and beside the floor, and writes what it has found to
// results/ and README.md. README.md says how.
package main

import (
	"flag"
	"log"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	log.SetFlags(log.Ltime)
	b := &bench{}
	flag.BoolVar(&b.quick, "quick", false, "the most important rows, servers and sizes, with few repeats")
	onlyRows := flag.String("rows", "", "only these rows: `names` joined by commas")
	onlyServers := flag.String("servers", "", "only these servers: `names` joined by commas")
	flag.IntVar(&b.repeats, "repeats", 0, "how often everything is measured (default 5, or 2 if quick)")
	flag.DurationVar(&b.budget, "budget", 40*time.Minute, "after this time begin no row, once each was measured")
	profiles := flag.String("profiles", "", "write CPU profiles of the Go servers to this `folder`")
	file := flag.String("results", "", "the `file` of the results (default results/latest.json, or results/partial.json if not all is measured)")
	renderOnly := flag.Bool("render", false, "measure nothing: make README.md and its plots from the results")
	flag.Parse()
	b.rows, b.servers = names(*onlyRows), names(*onlyServers)
	partial := !*renderOnly && (b.quick || b.rows != nil || b.servers != nil)
	if b.repeats == 0 {
		b.repeats = 5
		if b.quick {
			b.repeats = 2
		}
	}
	if b.quick && b.servers == nil {
		b.servers = leading
	}
	if *file == "" {
		*file = "results/latest.json"
		if partial {
			*file = "results/partial.json"
		}
	}

	if !*renderOnly {
		if err := b.measure(*file, *profiles); err != nil {
			log.Fatal(err)
		}
	}
	r, err := readResults(*file)
	if err != nil {
		log.Fatal(err)
	}
	if partial {
		r.print(os.Stdout)
	} else if err := render(&r, "."); err != nil {
		log.Fatal(err)
	}
}

func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// measure runs and writes the results after each measurement, so that a run may be stopped.
func (b *bench) measure(file, profiles string) (err error) {
	if b.workshop, err = newWorkshop(); err != nil {
		return err
	}
	defer b.close()
	b.profiles = profiles
	if err := raiseLimit(); err != nil {
		return err
	}
	r := results{Machine: b.machine()}
	return b.run(func(m measurement) error {
		r.Measurements = append(r.Measurements, m)
		return r.write(file)
	})
}

// raiseLimit allows as many descriptors as the system lets us have, here and in the servers.
func raiseLimit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
