package command

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitAbsent  = 3
	exitRefused = 4
)

const exitCodes = `Every hairpin command ends with one of these codes:

  0  done
  1  failed; the sentence on stderr says what, and what to do
  2  the command line or the spec is not valid; nothing was changed
  3  not there: no engine runs on this node, or no spec was ever applied
  4  refused: another engine owns the node, the running spec changed
     since the plan, an unconfirmed change stands in the way, or there is
     nothing left to confirm

"hairpin status" ends with 0 also when no engine runs: it reads the pins.
"hairpin lab exec" ends with the code of the command that it ran.
`

func newExitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodes}
}

// failure is an error, the code the process ends with for it, and what the operator can do about it.
type failure struct {
	code int
	err  error
	cure string // a clause, without a full stop; may be empty
}

func (f *failure) Error() string {
	if f.cure == "" {
		return f.err.Error()
	}
	return f.err.Error() + "; " + f.cure
}

func (f *failure) Unwrap() error { return f.err }

// explained is err as a failure: what only the engine knew gets its exit code and a cure here.
func explained(err error, root bool) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return &failure{f.code, err, ""}
	}
	_, invalid := errors.AsType[*spec.Error](err)
	switch {
	case invalid || errors.Is(err, engine.ErrInvalid):
		return &failure{exitUsage, err, ""}
	case errors.Is(err, engine.ErrNoOwner):
		return &failure{exitAbsent, err, startEngine}
	case errors.Is(err, engine.ErrStale), errors.Is(err, engine.ErrRefused), errors.Is(err, engine.ErrLate):
		return &failure{exitRefused, err, ""}
	case errors.Is(err, fs.ErrPermission) && !root:
		return &failure{exitFailed, err, "run it as root"}
	}
	return &failure{exitFailed, err, ""}
}

// usage makes the errors of an argument check end with exitUsage and point to the command's help.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &failure{exitUsage, err, `see "` + c.CommandPath() + ` --help"`}
		}
		return nil
	}
}
