package main

import (
	"reflect"

	"github.com/drainwatch/drainwatch/detector"
)

// thresholdsConfig holds the score from which each rule cries, one number a rule. Its keys are the names of the rules.
type thresholdsConfig struct {
	Flags    float64 `yaml:"flags"`
	Measures float64 `yaml:"measures"`
	Windows  float64 `yaml:"windows"`
	Rows     float64 `yaml:"rows"`
	Volume   float64 `yaml:"volume"`
	Identity float64 `yaml:"identity"`
	Crowd    float64 `yaml:"crowd"`
	Script   float64 `yaml:"script"`
	Intruder float64 `yaml:"intruder"`
	Farm     float64 `yaml:"farm"`
}

// each calls fn with every rule and its key's value.
func (t *thresholdsConfig) each(fn func(detector.Rule, *float64)) {
	v := reflect.ValueOf(t).Elem()
	for r := range detector.NumRules {
		for i := range v.NumField() {
			if keyOf(v.Type().Field(i)) == r.String() {
				fn(r, v.Field(i).Addr().Interface().(*float64))
			}
		}
	}
}

func thresholdsOf(t detector.Thresholds) (c thresholdsConfig) {
	c.each(func(r detector.Rule, x *float64) { *x = t[r] })
	return c
}

func (t thresholdsConfig) thresholds() (out detector.Thresholds) {
	t.each(func(r detector.Rule, x *float64) { out[r] = *x })
	return out
}

func (c *checker) checkThresholds() {
	c.Thresholds.each(func(r detector.Rule, x *float64) {
		if err := r.Check(*x); err != nil {
			c.refuse("thresholds."+r.String(), "%v", err)
		}
	})
}
