package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// TestCaptureFromConnections: the connection under the cursor is captured, the capture is stopped by hand, and what it took is
// written once.
func TestCaptureFromConnections(t *testing.T) {
	d := open80(t, fake.Busy())
	d.node.Talk(fake.Talkers())
	d.node.Catch(fake.Caught())
	d.do(action.GoConnections)
	d.pass(time.Second)
	d.do(action.Sort, action.CaptureThis)
	if talks := d.node.Talks(); len(talks) == 0 || talks[0].Sort != "packets" || !talks[0].Sockets {
		t.Errorf("asked %+v", talks)
	}
	asked, _ := d.node.Captures()
	const want = "src host 198.51.100.23 and src port 40112 and dst host 203.0.113.10 and dst port 443 and tcp"
	if len(asked) != 1 || asked[0].Filter != want {
		t.Fatalf("captured %+v, want %q", asked, want)
	}
	d.has("REC", "3 records")
	d.has("came", "no_backend")
	d.do(action.CaptureStop)
	d.has("OVER", "3 records")
	d.has("Capture > over: ended by hand")
	if _, ended := d.node.Captures(); len(ended) != 1 {
		t.Errorf("ended %v", ended)
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	d.run(d.m.act(call{ID: action.CaptureSave, Arg: name}))
	d.has("3 records in")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 || info.Size() < 300 {
		t.Errorf("%v %v", info, err)
	}
	d.run(d.m.act(call{ID: action.CaptureSave, Arg: name}))
	d.has("file exists")
}

// TestCaptureFilterIsChecked: what is wrong with a filter is said in the dialog.
func TestCaptureFilterIsChecked(t *testing.T) {
	d := open80(t, fake.Busy())
	d.do(action.GoCapture, action.CaptureStart)
	d.text("tcp prot 80")
	d.press("enter")
	d.has("did you mean port?")
	if asked, _ := d.node.Captures(); len(asked) > 0 {
		t.Errorf("captured %+v", asked)
	}
}
