package cel

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// zonedOverloads are the parts of a timestamp in a time zone, by their overloads.
var zonedOverloads = map[string]func(time.Time) int{
	overloads.TimestampToYearWithTz:                func(t time.Time) int { return t.Year() },
	overloads.TimestampToMonthWithTz:               func(t time.Time) int { return int(t.Month()) - 1 },
	overloads.TimestampToDayOfYearWithTz:           func(t time.Time) int { return t.YearDay() - 1 },
	overloads.TimestampToDayOfMonthZeroBasedWithTz: func(t time.Time) int { return t.Day() - 1 },
	overloads.TimestampToDayOfMonthOneBasedWithTz:  func(t time.Time) int { return t.Day() },
	overloads.TimestampToDayOfWeekWithTz:           func(t time.Time) int { return int(t.Weekday()) },
	overloads.TimestampToHoursWithTz:               func(t time.Time) int { return t.Hour() },
	overloads.TimestampToMinutesWithTz:             func(t time.Time) int { return t.Minute() },
	overloads.TimestampToSecondsWithTz:             func(t time.Time) int { return t.Second() },
	overloads.TimestampToMillisecondsWithTz:        func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) },
}

var errZone = errors.New("not a time zone")

// zone returns the location of a name or an offset. It reads the time zone database:
// only when an expression is compiled.
func zone(text string) (*time.Location, error) {
	hours, minutes, isOffset := strings.Cut(text, ":")
	if !isOffset {
		if text == "" || text == "Local" {
			return nil, errZone
		}

		return time.LoadLocation(text)
	}
	sign := 1
	if rest, negative := strings.CutPrefix(hours, "-"); negative {
		hours, sign = rest, -1
	} else {
		hours = strings.TrimPrefix(hours, "+")
	}
	h, errHours := strconv.ParseUint(hours, 10, 8)
	m, errMinutes := strconv.ParseUint(minutes, 10, 8)
	if errHours != nil || errMinutes != nil || len(hours) != 2 || len(minutes) != 2 || h > 23 || m > 59 {
		return nil, errZone
	}

	return time.FixedZone(text, sign*int(h*60+m)*60), nil
}

// zonedNode is a part of a timestamp in a time zone that is known. cel-go would read
// the zone from the file system in each evaluation.
type zonedNode struct {
	id   int64
	arg  interpreter.InterpretableV2
	at   *time.Location
	part func(time.Time) int
}

func newZonedNode(call interpreter.InterpretableCall, part func(time.Time) int) (interpreter.InterpretableV2, error) {
	name, ok := constText(call.Args()[1])
	if !ok {
		return nil, errZone
	}
	at, err := zone(name)
	if err != nil {
		return nil, err
	}

	return &zonedNode{id: call.ID(), arg: call.Args()[0], at: at, part: part}, nil
}

// ID implements [interpreter.Interpretable].
func (n *zonedNode) ID() int64 { return n.id }

// Eval implements [interpreter.Interpretable].
func (n *zonedNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *zonedNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	value := n.arg.Exec(frame)
	if costs := frame.CostTracker(); costs != nil {
		costs.Qualify(n.id)
	}
	stamp, ok := value.(types.Timestamp)
	if !ok {
		return types.LabelErrNode(n.id, types.MaybeNoSuchOverloadErr(value))
	}

	return types.Int(n.part(stamp.In(n.at)))
}

// constText returns the text of a literal.
func constText(node interpreter.InterpretableV2) (string, bool) {
	literal, ok := node.(interpreter.InterpretableConst)
	if !ok {
		return "", false
	}
	text, ok := literal.Value().(types.String)

	return string(text), ok
}
