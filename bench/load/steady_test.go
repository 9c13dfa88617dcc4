package main

import (
	"testing"
	"time"
)

func TestSteady(t *testing.T) {
	for name, test := range map[string]struct {
		rates []float64
		want  bool
	}{
		"too few windows":               {[]float64{100, 100, 100, 100, 100}, false},
		"the same in all windows":       {[]float64{100, 100, 100, 100, 100, 100}, true},
		"still faster":                  {[]float64{50, 70, 80, 90, 95, 100}, false},
		"faster at first only":          {[]float64{20, 50, 80, 99, 98, 101, 100, 97, 100}, true},
		"on the bound":                  {[]float64{100, 100, 100, 105, 105, 105}, true},
		"beyond the bound":              {[]float64{100, 100, 100, 106, 106, 106}, false},
		"slower":                        {[]float64{100, 100, 100, 90, 90, 90}, false},
		"one window with other work":    {[]float64{100, 100, 100, 100, 30, 100}, true},
		"one window before it was slow": {[]float64{100, 20, 100, 100, 100, 100}, true},
		"no call at all":                {[]float64{0, 0, 0, 0, 0, 0}, false},
	} {
		if got := steady(test.rates); got != test.want {
			t.Errorf("%s: steady(%v) = %v", name, test.rates, got)
		}
	}
}

func TestWarmUpEndsWhenRatesAreSteady(t *testing.T) {
	url := serve(t, nil, unary(echo))
	result := load(t, url+"/a.B/C", nil, "-in-flight", "8", "-duration", "50ms",
		"-warmup-window", "50ms", "-warmup-limit", "1m")
	if !result.Steady {
		t.Error("the rates of a constant server did not become steady within a minute")
	}
	if minimum := (2 * steadyWindows * 50 * time.Millisecond).Seconds(); result.WarmupSeconds < minimum {
		t.Errorf("the warm-up took %v s, want at least %v s", result.WarmupSeconds, minimum)
	}
	expectCalls(t, result, result.Calls)
	if result.Answered <= int64(result.Calls) {
		t.Errorf("%d calls answered in all phases, of which %d counted", result.Answered, result.Calls)
	}
}

func TestWarmUpEndsAtItsLimit(t *testing.T) {
	url := serve(t, nil, unary(echo))
	// There is no time for the windows that are compared.
	result := load(t, url+"/a.B/C", nil, "-in-flight", "2", "-duration", "50ms",
		"-warmup-window", "50ms", "-warmup-limit", "120ms")
	if result.Steady || result.WarmupSeconds == 0 {
		t.Errorf("steady is %v after %v s", result.Steady, result.WarmupSeconds)
	}
	expectCalls(t, result, result.Calls)
}

func TestWarmUpEndsWithTheItems(t *testing.T) {
	url := serve(t, nil, unary(echo))
	o, err := parseOptions([]string{"-url", url + "/a.B/C", "-in-flight", "2",
		"-order", "sequential", "-warmup-window", "1m", "-warmup-limit", "1h", "-duration", "10ms"},
		t.Output())
	if err != nil {
		t.Fatal(err)
	}
	list, err := newRequests(encodeItems(numberedItems(10)...))
	if err != nil {
		t.Fatal(err)
	}
	result, err := newRun(o, list).execute()
	if err != nil {
		t.Fatal(err)
	}
	if result.Steady || !result.Exhausted || result.Calls != 0 || result.Answered != 10 {
		t.Errorf("steady %v, exhausted %v, %d calls counted of %d",
			result.Steady, result.Exhausted, result.Calls, result.Answered)
	}
}
