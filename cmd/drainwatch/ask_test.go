package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// askEverything puts each question to a service that has found a price jump for pro in eu-west-1, as people do.
func askEverything(t *testing.T, server string) {
	t.Helper()
	ask := func(want string, args ...string) string {
		t.Helper()
		code, out, errs := run(t, "", append(args, "--server", server)...)
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, %s\n%s", args, code, errs, out)
		}
		return out
	}
	var list struct{ Incidents []struct{ Incident string } }
	if err := json.Unmarshal([]byte(ask("", "incidents", "--status", "resolved", "--json")), &list); err != nil || len(list.Incidents) != 1 {
		t.Fatalf("%v, %d incidents", err, len(list.Incidents))
	}
	id := list.Incidents[0].Incident
	ask("no incidents", "incidents", "--class", "abuse")
	ask(id+": kept", "incidents", "ack", id, "--by", "ann")
	ask(`"class": "metering_bug"`, "incidents", "label", id, "metering_bug", "price", "--json")
	ask("kept", "incidents", "note", id, "rolled back")
	ask("resolved, acknowledged", "incidents")
	ask("revision 1    ", "explain", id)
	var x incident.Explanation
	if err := json.Unmarshal([]byte(ask("", "explain", id, "--json")), &x); err != nil || len(x.Timeline) < 2 {
		t.Errorf("%v: %d revisions", err, len(x.Timeline))
	}
	ask("everything", "cohorts")
	ask("pro eu-west-1 ", "cohorts", "--by", "plan,region", "--where", "plan=pro", "--measure", "price", "--step", "1h", "--from", "-12h")

	var users struct{ Users []struct{ User string } }
	status, text := fetch(t, server+"/api/v1/incidents/"+id+"/users?limit=1")
	if err := json.Unmarshal([]byte(text), &users); err != nil || status != http.StatusOK || len(users.Users) != 1 {
		t.Fatalf("%d, %v: %s", status, err, text)
	}
	ask("this user's overcharge is ", "users", users.Users[0].User)
	if status, text := fetch(t, server+"/api/v1/incidents/"+id+"/ledger.csv"); status != http.StatusOK || !strings.HasPrefix(text, "incident,user,rows,") || !strings.Contains(text, id) {
		t.Errorf("ledger: %d, %.200s", status, text)
	}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"users", "nobody"}, `there is no user "nobody" in what was read`},
		{[]string{"explain", "inc_x"}, `there is no incident "inc_x"`},
		{[]string{"cohorts", "--by", "planet"}, `by "planet" is no dimension; use some of plan,model,`},
		{[]string{"incidents", "label", id, "nonsense"}, `class "nonsense" is no class; use one of abuse, `},
	} {
		if code, _, errs := run(t, "", append(c.args, "--server", server)...); code != exitUsage || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s", c.args, code, errs)
		}
	}
}

func fetch(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// What cannot be asked is told in a line: where, why, and what to do.
func TestAskErrors(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/thing") {
			http.Error(w, "no \x1b[2J", http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte("<html>"))
	}))
	defer other.Close()
	nobody := "http://" + freeAddress(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"incidents", "--server", nobody}, exitFailed, "ask " + nobody + ": dial tcp"},
		{[]string{"cohorts", "--server", "127.0.0.1:8080"}, exitUsage, `--server "127.0.0.1:8080": no address of a service; write one such as http://127.0.0.1:8080`},
		{[]string{"users", "thing", "--server", other.URL}, exitUsage, "answered 418 I'm a teapot, and not as this program does; name the listen.api of a service with --server"},
		{[]string{"incidents", "--server", other.URL}, exitFailed, "no answer of this program's"},
		{[]string{"users"}, exitUsage, "name one user"},
		{[]string{"explain", "inc_1", "--alerts", "x", "--server", nobody}, exitUsage, "--alerts and --server both say where to look; give one of them"},
	} {
		code, out, errs := run(t, "", c.args...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s%s", c.args, code, out, errs)
		}
	}
}
