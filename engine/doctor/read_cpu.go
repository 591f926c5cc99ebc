package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

func (f *Facts) readCPUs() {
	f.CPUs = runtime.NumCPU()
	if online := cpuList(line("/sys/devices/system/cpu/online")); len(online) > 0 {
		f.CPUs = len(online)
	}
}

// cpuList reads the kernel's form of a set of CPUs, such as "0-3,8"; nil when it is none.
func cpuList(text string) (list []int) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		from, to, span := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			return nil
		}
		b := a
		if span {
			if b, err = strconv.Atoi(to); err != nil || b < a || b-a > 1<<16 {
				return nil
			}
		}
		for c := a; c <= b; c++ {
			list = append(list, c)
		}
	}
	return list
}

// readIRQs finds the interrupts of a NIC's queues. A NIC that is not the one of this name in /sys, which shows another
// network namespace, has none that can be told.
func readIRQs(a *netlink.LinkAttrs) (list []IRQ) {
	dir := filepath.Join("/sys/class/net", a.Name)
	if line(filepath.Join(dir, "ifindex")) != strconv.Itoa(a.Index) || line(filepath.Join(dir, "address")) != a.HardwareAddr.String() {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, "device", "msi_irqs"))
	if err != nil {
		if entries, err = os.ReadDir(filepath.Join(dir, "device", "..", "msi_irqs")); err != nil { // virtio: of the PCI device under it
			return nil
		}
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, queue := irqName(n)
		if !queue {
			continue
		}
		cpus := cpuList(line(fmt.Sprintf("/proc/irq/%d/effective_affinity_list", n)))
		list = append(list, IRQ{n, name, cpus})
	}
	slices.SortFunc(list, func(a, b IRQ) int { return a.Number - b.Number })
	return list
}

// irqName is what the driver calls an interrupt, and whether it is of a queue that receives.
func irqName(n int) (name string, receives bool) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/irq/%d", n))
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if e.IsDir() {
			return e.Name(), receivesBy(e.Name())
		}
	}
	return "", false
}

// receivesBy tells it by the names that drivers use: virtio0-input.0, eth0-TxRx-1, ice-eth0-TxRx-3, mlx5_comp4@pci:..., eth0-Tx-Rx-2,
// eth0-rx-0.
func receivesBy(name string) bool {
	lower := strings.ToLower(name)
	return slices.ContainsFunc([]string{"input", "rx", "comp", "queue"}, func(word string) bool { return strings.Contains(lower, word) })
}

// readSoftnet adds up the CPUs' lines: processed, dropped, squeezed, in hexadecimal.
func (f *Facts) readSoftnet() {
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		f.unread("", "the kernel's backlog", err)
		return
	}
	f.Softnet = softnet(text)
}

func softnet(text []byte) (sum Softnet) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		dropped, _ := strconv.ParseUint(fields[1], 16, 64) // the kernel writes numbers
		squeezed, _ := strconv.ParseUint(fields[2], 16, 64)
		sum.Dropped, sum.Squeezed = sum.Dropped+dropped, sum.Squeezed+squeezed
	}
	return sum
}
