package statetest

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/drainwatch/drainwatch/detector/state"
)

// Kept fails for every field, at whatever depth below T, that makes no difference to what code writes, unless it is named among
// derived as Type.field: so a field that is added later is kept, or said not to be. Of lists and maps one entry is tried, of
// arrays the first and the last. The tables of package dense are left to that package.
func Kept[T any](t *testing.T, code func(*state.Coder, *T), derived ...string) {
	t.Helper()
	KeptOf(t, func() *T { return new(T) }, code, derived...)
}

// KeptOf is Kept for what is no use before it is made.
func KeptOf[T any](t *testing.T, made func() *T, code func(*state.Coder, *T), derived ...string) {
	t.Helper()
	lost, unknown := compare(made, code, derived)
	for _, name := range lost {
		t.Errorf("%s is not kept: add it to Code, or name it as derived", name)
	}
	for _, name := range unknown {
		t.Errorf("%s is named as derived, and there is no such field", name)
	}
}

// compare returns the fields that are lost, and what is named as derived and is none.
func compare[T any](made func() *T, code func(*state.Coder, *T), derived []string) (lost, unknown []string) {
	w := walker{seen: map[reflect.Type]bool{}, derived: derived, used: map[string]bool{}, differs: func(w *walker) bool {
		return !bytes.Equal(written(made(), code, w.path, func(reflect.Value) {}), written(made(), code, w.path, set))
	}}
	w.walk(reflect.TypeFor[T](), reflect.TypeFor[T]().Name())
	return w.lost, slices.DeleteFunc(slices.Clone(derived), func(name string) bool { return w.used[name] })
}

// A step leads from a value to one that it holds, made if need be, and does something to that.
type step func(v reflect.Value, do func(reflect.Value))

func written[T any](x *T, code func(*state.Coder, *T), path []step, leaf func(reflect.Value)) []byte {
	follow(reflect.ValueOf(x).Elem(), path, leaf)
	return state.Append(nil, "test", 1, func(c *state.Coder) { code(c, x) })
}

func follow(v reflect.Value, path []step, leaf func(reflect.Value)) {
	if len(path) == 0 {
		leaf(v)
		return
	}
	path[0](v, func(v reflect.Value) { follow(v, path[1:], leaf) })
}

type walker struct {
	path    []step
	seen    map[reflect.Type]bool // structures that were walked
	derived []string
	used    map[string]bool
	lost    []string
	differs func(*walker) bool
}

func (w *walker) in(s step, typ reflect.Type, name string) {
	w.path = append(w.path, s)
	w.walk(typ, name)
	w.path = w.path[:len(w.path)-1]
}

func (w *walker) walk(typ reflect.Type, name string) {
	switch typ.Kind() {
	case reflect.Struct:
		w.fields(typ, name)
	case reflect.Pointer:
		w.in(func(v reflect.Value, do func(reflect.Value)) {
			if v.IsNil() {
				v.Set(reflect.New(typ.Elem()))
			}
			do(v.Elem())
		}, typ.Elem(), name)
	case reflect.Slice:
		w.in(func(v reflect.Value, do func(reflect.Value)) {
			v.Set(reflect.MakeSlice(typ, 1, 1))
			do(v.Index(0))
		}, typ.Elem(), name)
	case reflect.Array:
		for _, i := range []int{0, typ.Len() - 1} {
			w.in(func(v reflect.Value, do func(reflect.Value)) { do(v.Index(i)) }, typ.Elem(), name)
		}
	case reflect.Map:
		entry := func(of func(k, x reflect.Value) reflect.Value) step {
			return func(v reflect.Value, do func(reflect.Value)) {
				k, x := reflect.New(typ.Key()).Elem(), reflect.New(typ.Elem()).Elem()
				do(of(k, x))
				v.Set(reflect.MakeMap(typ))
				v.SetMapIndex(k, x)
			}
		}
		w.in(entry(func(k, _ reflect.Value) reflect.Value { return k }), typ.Key(), name)
		w.in(entry(func(_, x reflect.Value) reflect.Value { return x }), typ.Elem(), name)
	default:
		if !w.differs(w) && !slices.Contains(w.lost, name) {
			w.lost = append(w.lost, name)
		}
	}
}

func (w *walker) fields(typ reflect.Type, name string) {
	if strings.HasSuffix(typ.PkgPath(), "detector/dense") {
		return
	}
	again, within := w.seen[typ], name
	if typ.Name() != "" {
		name, w.seen[typ] = typ.Name(), true
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		of := name + "." + f.Name
		if slices.Contains(w.derived, of) {
			w.used[of] = true
			continue
		}
		if again { // one field says whether the whole is kept here, too
			of = within
		}
		w.in(func(v reflect.Value, do func(reflect.Value)) {
			v = v.Field(i)
			do(reflect.NewAt(f.Type, unsafe.Pointer(v.UnsafeAddr())).Elem()) //nolint:gosec // the field may be unexported
		}, f.Type, of)
		if again {
			return
		}
	}
}

// set makes a value another than zero.
func set(v reflect.Value) {
	switch {
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	}
}
