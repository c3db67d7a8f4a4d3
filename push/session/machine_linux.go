package session

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// machineMemory is how much memory the machine has, or less if the process is in a
// control group with a limit; 0 if that isn't known.
func machineMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	memory := int64(info.Totalram) * int64(info.Unit)
	groups, _ := os.ReadFile("/proc/self/cgroup") // without it there is no limit
	return min(memory, groupMemory("/sys/fs/cgroup", string(groups), memory))
}

// groupMemory gives the least limit of the control groups of a process, which are listed
// as in /proc/self/cgroup, and of all above them; most if there is none. In a container
// the group's own root is mounted, and the names in the list may not be there.
func groupMemory(root, groups string, most int64) int64 {
	for line := range strings.Lines(groups) {
		_, controllers, _ := strings.Cut(strings.TrimSpace(line), ":")
		controller, group, _ := strings.Cut(controllers, ":")
		base, file := root, "memory.max"
		switch controller {
		case "":
		case "memory":
			base, file = path.Join(root, "memory"), "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			if text, err := os.ReadFile(path.Join(base, dir, file)); err == nil { //nolint:gosec // the system's own files
				if limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil {
					most = min(most, limit)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return most
}
