package datapath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"hairpin/engine/spec"
)

// A probe is pinned as a whole, link, program and maps, in a folder NAME_SETTINGS_FILE: attached for as long as the folder is
// there, whatever process lives.

// settingsOf names what a spec says of a probe, but for what is watched.
func settingsOf(p *spec.Probe) string {
	loaded := *p
	loaded.Watch = nil
	sum := sha256.Sum256(spec.Marshal(&spec.Spec{Probes: []spec.Probe{loaded}}))
	return hex.EncodeToString(sum[:8])
}

// probeFolders are those of a probe that are attached with these settings: one, or two for the moment in which one version
// takes another's place.
func (k *Kernel) probeFolders(p *spec.Probe) ([]string, error) {
	found, err := filepath.Glob(k.pin("probes", p.Name+"_"+settingsOf(p)+"_*"))
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, path := range found {
		if !strings.Contains(path, "_new_") {
			folders = append(folders, filepath.Join("probes", filepath.Base(path)))
		}
	}
	if len(folders) == 0 {
		return nil, errors.New("is not attached")
	}
	newest := slices.MaxFunc(folders, func(a, b string) int { return k.madeAt(a).Compare(k.madeAt(b)) })
	return []string{newest}, nil
}

func (k *Kernel) madeAt(folder string) time.Time {
	info, err := os.Stat(k.pin(folder, "link"))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Probes are attached ones, by the folders of their pins.
type Probes map[string]bool

// AttachProbes attaches what s names and is not attached yet, and returns what belongs to s. What was attached before stays
// until KeepProbes: in between, the old and the new version of a probe both run, and both count. With fresh, the files are read
// again, and a probe whose file has changed is attached anew; else one with the same settings is adopted as it is. On error
// nothing new is left attached unless s is being adopted: then every other probe is, and the error names the rest.
func (k *Kernel) AttachProbes(s *spec.Spec, fresh bool) (Probes, error) {
	want, before := Probes{}, k.attachedProbes()
	var errs []error
	for i := range s.Probes {
		folder, err := k.attachProbe(&s.Probes[i], fresh)
		if err != nil {
			errs = append(errs, fmt.Errorf("probe %s: %w", s.Probes[i].Name, err))
			if fresh {
				break
			}
			continue
		}
		want[folder] = true
	}
	if len(errs) > 0 && fresh {
		return nil, errors.Join(append(errs, k.KeepProbes(before))...)
	}
	return want, errors.Join(errs...)
}

// KeepProbes detaches all probes but these.
func (k *Kernel) KeepProbes(keep Probes) error {
	errs := []error{removeUnfinished(k.pin("probes", "*"))}
	for folder := range k.attachedProbes() {
		if !keep[folder] {
			errs = append(errs, removePins(k.pin("probes", folder)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("detach probes: %w", err)
	}
	return nil
}

// AttachedProbes are those that are attached now.
func (k *Kernel) AttachedProbes() Probes { return k.attachedProbes() }

func (k *Kernel) attachedProbes() Probes {
	all := Probes{}
	entries, err := os.ReadDir(k.pin("probes", ""))
	if err != nil {
		return all // there is no folder before the first probe
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), "_new_") {
			all[e.Name()] = true
		}
	}
	return all
}

func (k *Kernel) attachProbe(p *spec.Probe, fresh bool) (folder string, err error) {
	if have, err := k.probeFolders(p); err == nil && !fresh {
		return filepath.Base(have[0]), nil
	}
	o, err := readObject(p.File)
	if have, gone := k.probeFolders(p); errors.Is(err, os.ErrNotExist) && gone == nil {
		return filepath.Base(have[0]), nil // an edit of something else does not fail for a file that is gone
	}
	if err != nil {
		return "", err
	}
	folder = fmt.Sprintf("%s_%s_%x", p.Name, settingsOf(p), o.sum[:6])
	if err := o.knows(&p.Object); err != nil {
		return "", err
	}
	if _, err := os.Stat(k.pin("probes", folder)); err == nil {
		return folder, k.watchable(o, folder, p)
	}
	temporary := fmt.Sprintf("%s_new_%d", k.pin("probes", folder), os.Getpid())
	if err := errors.Join(removeUnfinished(k.pin("probes", "*")), os.MkdirAll(temporary, 0o700)); err != nil {
		return "", fmt.Errorf("pin: %w", err)
	}
	if err := o.probe(p, temporary); err != nil {
		_ = os.RemoveAll(temporary) // else by the next that is made
		return "", err
	}
	if err := os.Rename(temporary, k.pin("probes", folder)); err != nil {
		return "", fmt.Errorf("pin: %w", err)
	}
	if err := k.watchable(o, folder, p); err != nil {
		return "", errors.Join(err, removePins(k.pin("probes", folder)))
	}
	return folder, nil
}

func (k *Kernel) watchable(o *object, folder string, p *spec.Probe) error {
	if err := k.canWatch(filepath.Join("probes", folder), p.Watch); err != nil {
		return o.wrong("%w", err)
	}
	return nil
}

// probe loads the program of p, attaches it, and pins all of it below folder.
func (o *object) probe(p *spec.Probe, folder string) error {
	program, point, err := o.probePoint(p)
	if err != nil {
		return err
	}
	loaded, err := o.load(program, nil)
	if err != nil {
		return err
	}
	defer loaded.Close()
	for _, m := range p.Maps {
		if err := fillMap(loaded.Maps[m.Map], m.Map, m.Entries); err != nil {
			return o.wrong("%w", err)
		}
	}
	attached, err := point.attach(loaded.Programs[program.Name])
	if err != nil {
		return o.wrong("attach %s to %s: %w", program.Name, point, err)
	}
	defer attached.Close()
	if err := errors.Join(pinAll(folder, loaded.Programs[program.Name], loaded.Maps), pinLink(attached, folder)); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	return nil
}

func pinLink(l link.Link, folder string) error {
	err := l.Pin(folder + "/link")
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("this kernel cannot keep such a probe attached without a process, Linux 5.15 can: %w", err)
	}
	return err
}
