package main

import (
	"encoding/json"
	"os"
)

// entry is a line of the report for machines.
type entry struct {
	Goal     int       `json:"goal"`
	What     string    `json:"what"`
	Peer     bool      `json:"peer,omitempty"`
	Unit     string    `json:"unit,omitempty"`
	Relation relation  `json:"relation,omitempty"`
	Bound    *float64  `json:"bound,omitempty"`
	Verdict  verdict   `json:"verdict,omitempty"`
	Figure   *estimate `json:"figure,omitempty"`
	Control  *estimate `json:"control,omitempty"`
	From     *metric   `json:"from,omitempty"`
	Absent   string    `json:"absent,omitempty"`
}

// document is the report for machines.
type document struct {
	Machine machine `json:"machine"`
	Seconds float64 `json:"seconds"`
	Goals   []entry `json:"goals"`
}

func writeJSON(path string, m machine, seconds float64, results []result) error {
	d := document{Machine: m, Seconds: seconds, Goals: make([]entry, len(results))}
	for i, r := range results {
		e := entry{
			Goal: r.goal.number, What: r.goal.what, Peer: r.goal.peer, Unit: r.goal.unit, Relation: r.goal.relation,
			Verdict: r.verdict, Control: r.control, Absent: r.goal.absent,
		}
		if !r.goal.peer {
			e.Bound = &r.goal.bound
		}
		if r.figure.Samples > 0 { // what there is none of is no number in JSON
			e.Figure, e.From = &r.figure, &r.from
		}
		d.Goals[i] = e
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}

	return os.WriteFile(path, append(text, '\n'), 0o644)
}
