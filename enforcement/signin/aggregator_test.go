// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A journal is a sink that keeps what it is given.
type journal struct {
	mu      sync.Mutex
	records []Record
}

func (j *journal) write(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
}

// take returns what was written since the last call.
func (j *journal) take() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := j.records
	j.records = nil
	return taken
}

// request does what the enforcer does for one request.
func request(a *Aggregator, k Kind) {
	if a.Note(&k) {
		r := blockedRecord()
		r.UserPrincipalName, r.IPAddress, r.TimeGenerated = k.User, k.Address, Timestamp(time.Now())
		a.Emit(&k, r)
	}
}

// kept returns how many kinds the aggregator holds, folds included.
func kept(a *Aggregator) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.kinds)
}

func counts(records []Record) (counts []int) {
	for _, r := range records {
		counts = append(counts, r.RequestCount)
	}
	return counts
}

func expect(t *testing.T, when string, records []Record, want ...int) {
	t.Helper()
	got := counts(records)
	if len(got) != len(want) {
		t.Fatalf("%s: records with counts %v, want %v", when, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: records with counts %v, want %v", when, got, want)
		}
	}
}

func kind() Kind {
	return Kind{
		User: "ana", App: "outlook", Device: "dev-1", Resource: "exchange", Address: "203.0.113.7",
		Decision: Block, Code: 1008, Reason: "proof_missing", Policies: 7,
	}
}

func TestFirstAtOnceThenOneRecordAnIntervalWithItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := New(Config{Interval: 5 * time.Minute, Sink: j.write})
		a.Start()
		request(a, kind())
		first := j.take()
		expect(t, "the first", first, 1)
		for range 9 {
			request(a, kind())
		}
		expect(t, "within the interval", j.take())
		time.Sleep(5*time.Minute + time.Second)
		later := j.take()
		expect(t, "after the interval", later, 9)
		if later[0].ID == first[0].ID || later[0].TimeGenerated == first[0].TimeGenerated {
			t.Errorf("the interval's record has the first one's id or time: %+v", later[0])
		}
		later[0].ID, later[0].TimeGenerated, later[0].RequestCount = first[0].ID, first[0].TimeGenerated, 1
		if later[0] != first[0] {
			t.Errorf("the interval's record differs in more than id, time and count:\n%+v\n%+v", later[0], first[0])
		}
		request(a, kind())
		expect(t, "the kind is still known", j.take())
		time.Sleep(5*time.Minute + 5*time.Second)
		expect(t, "after the second interval", j.take(), 1)
		a.Stop()
		expect(t, "at the end", j.take())
	})
}

func TestIdleKindsLeaveAndAreFirstAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := New(Config{Interval: time.Minute, Sink: j.write})
		a.Start()
		request(a, kind())
		expect(t, "the first", j.take(), 1)
		time.Sleep(2 * time.Minute)
		expect(t, "idle", j.take())
		if n := kept(a); n != 0 {
			t.Errorf("%d kinds kept", n)
		}
		request(a, kind())
		expect(t, "the first again", j.take(), 1)
		time.Sleep(2 * time.Minute)
		a.Stop()
		if a.told != 0 || a.anonymous != 0 || a.queue.head != nil {
			t.Errorf("left behind: %d kinds counted, %d of them anonymous, queue %v", a.told, a.anonymous, a.queue.head)
		}
	})
}

func TestEveryMemberMakesAKind(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Minute, Sink: j.write})
	kinds := []func(*Kind){
		func(*Kind) {},
		func(k *Kind) { k.User = "ben" },
		func(k *Kind) { k.App = "teams" },
		func(k *Kind) { k.Device = "dev-2" },
		func(k *Kind) { k.Resource = "sharepoint" },
		func(k *Kind) { k.Address = "203.0.113.8" },
		func(k *Kind) { k.Decision = Allow },
		func(k *Kind) { k.Code = 1005 },
		func(k *Kind) { k.Reason = "proof_replayed" },
		func(k *Kind) { k.Policies = 8 },
	}
	for range 2 {
		for _, change := range kinds {
			k := kind()
			change(&k)
			request(a, k)
		}
	}
	expect(t, "each kind once", j.take(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	a.Stop()
	expect(t, "and its second request at the end", j.take(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
}

func TestIntervalZeroWritesEveryRequest(t *testing.T) {
	var j journal
	a := New(Config{Sink: j.write})
	a.Start()
	for range 3 {
		request(a, kind())
	}
	a.Stop()
	expect(t, "interval 0", j.take(), 1, 1, 1)
}

func TestStopWritesEverythingAndLaterRequestsOneByOne(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Hour, Sink: j.write})
	a.Start()
	for i := range 600 { // more than one batch
		k := kind()
		k.User = strconv.Itoa(i)
		request(a, k)
		request(a, k)
	}
	if n := len(j.take()); n != 600 {
		t.Fatalf("%d records at once, want 600", n)
	}
	a.Stop()
	a.Stop()
	if n := len(j.take()); n != 600 {
		t.Fatalf("%d records at the end, want 600", n)
	}
	request(a, kind())
	request(a, kind())
	expect(t, "after Stop", j.take(), 1, 1)
}

func TestStopWithoutStart(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Hour, Sink: j.write})
	request(a, kind())
	request(a, kind())
	a.Stop()
	expect(t, "first and rest", j.take(), 1, 1)
}

func TestSinkMayUseTheAggregator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a *Aggregator
		written := 0
		a = New(Config{Interval: time.Minute, Sink: func(Record) {
			k := Kind{User: "sink"}
			a.Note(&k) // would deadlock under the lock
			written++
		}})
		a.Start()
		request(a, kind())
		request(a, kind())
		time.Sleep(2 * time.Minute)
		a.Stop()
		if written != 2 {
			t.Errorf("%d records, want 2", written)
		}
	})
}

func TestARecordThatIsLateTakesTheCountsAlong(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Minute, Sink: j.write})
	k := kind()
	if !a.Note(&k) || a.Note(&k) || a.Note(&k) {
		t.Fatal("not the first alone is wanted")
	}
	a.Emit(&k, blockedRecord())
	expect(t, "late", j.take(), 3)
	a.Stop()
	expect(t, "nothing is left", j.take())
}

func TestARecordThatIsLateForStopIsStillWritten(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Minute, Sink: j.write})
	k := kind()
	a.Note(&k)
	a.Note(&k)
	a.Stop()
	expect(t, "no record yet", j.take())
	a.Emit(&k, blockedRecord())
	expect(t, "late", j.take(), 2)
	request(a, kind())
	expect(t, "one by one", j.take(), 1)
}

func TestARecordThatNeverComesIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := New(Config{Interval: time.Minute, Sink: j.write})
		a.Start()
		k := kind()
		a.Note(&k) // and no Emit
		time.Sleep(time.Minute + 30*time.Second)
		request(a, kind())
		expect(t, "with the lost one's count", j.take(), 2)
		a.Note(&Kind{User: "gone"})
		time.Sleep(5 * time.Minute)
		if n := kept(a); n != 0 {
			t.Errorf("%d kinds kept", n)
		}
		a.Stop()
	})
}

func TestAFloodIsFoldedPerResourceAndOutcome(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Hour, MaxKinds: 4, Sink: j.write})
	for i := range 100 {
		k := kind()
		k.User = strconv.Itoa(i)
		request(a, k)
		k.Resource = "sharepoint"
		request(a, k)
	}
	records := j.take()
	expect(t, "four kinds and two folds", records, 1, 1, 1, 1, 1, 1)
	for _, r := range records[4:] {
		if r.UserPrincipalName+r.UserID+r.UserType+r.IPAddress+r.UserAgent+r.CorrelationID+r.UniqueTokenIdentifier+
			r.DeviceKeyThumbprint+r.AppID+r.AppDisplayName+r.DeviceDetail.DeviceID != "" {
			t.Errorf("a folded record names somebody: %+v", r)
		}
		if !strings.Contains(r.Status.AdditionalDetails, "folded") || r.Decision != Block ||
			r.TokenProtectionStatusDetails.SignInSessionStatusCode != 1008 {
			t.Errorf("a folded record does not say what it is: %+v", r)
		}
	}
	a.Stop()
	expect(t, "the rest of the folds", j.take(), 97, 97)
}

func TestAnonymousRequestsCannotTakeTheRoomOfUsers(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Hour, MaxKinds: 10, Sink: j.write})
	for i := range 1000 {
		k := kind()
		k.User, k.Address = "", strconv.Itoa(i)
		request(a, k)
	}
	if n := len(j.take()); n != 6 {
		t.Fatalf("%d records of anonymous kinds, want 5 and a fold", n)
	}
	request(a, kind())
	if r := j.take(); len(r) != 1 || r[0].UserPrincipalName != "ana" {
		t.Errorf("a user's sign-in is not told apart: %+v", r)
	}
	a.Stop()
}

// The property of the sign-in log: whatever comes, no request is lost and lines are bounded in every interval.
func TestLinesAreBoundedAndNoRequestIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, maxKinds, folds, interval = 1_000_000, 1000, 2, time.Minute
		lines := make(map[time.Time]int)
		total := 0
		var mu sync.Mutex
		a := New(Config{Interval: interval, MaxKinds: maxKinds, Sink: func(r Record) {
			mu.Lock()
			defer mu.Unlock()
			lines[time.Now()]++
			total += r.RequestCount
		}})
		a.Start()
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range requests {
			if i%1000 == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(interval / 50))))
			}
			k := kind()
			k.Address = strconv.Itoa(rng.IntN(50_000))
			k.Decision = [...]string{Allow, Block}[rng.IntN(folds)]
			request(a, k)
			if n := kept(a); n > maxKinds+folds {
				t.Fatalf("%d kinds", n)
			}
		}
		mu.Lock()
		for start := range lines {
			n := 0
			for at, written := range lines {
				if !at.Before(start) && at.Before(start.Add(interval)) {
					n += written
				}
			}
			if n > maxKinds+folds {
				t.Fatalf("%d lines in one interval", n)
			}
		}
		mu.Unlock()
		a.Stop()
		if total != requests {
			t.Errorf("records stand for %d requests, want %d", total, requests)
		}
	})
}

func TestParallelRequestsAreAllCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := New(Config{Interval: time.Second, MaxKinds: 3, Sink: j.write})
		a.Start()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 2000 {
					k := kind()
					k.User = strconv.Itoa((w + i) % 5)
					request(a, k)
					if i%100 == w {
						time.Sleep(time.Second / 2) // so that flushes come in between
					}
				}
			})
		}
		wg.Wait()
		records := j.take()
		a.Stop()
		total := 0
		for _, n := range append(counts(records), counts(j.take())...) {
			total += n
		}
		if total != 16000 || len(records) < 20 {
			t.Errorf("%d records before the end, all stand for %d requests, want 16000", len(records), total)
		}
	})
}

func TestLongStringsAreBoundedInKindAndRecord(t *testing.T) {
	var j journal
	a := New(Config{Interval: time.Hour, Sink: j.write})
	long := kind()
	long.App = strings.Repeat("a", 10_000)
	for range 2 {
		if k := long; a.Note(&k) {
			r := blockedRecord()
			r.AppDisplayName = long.App
			a.Emit(&k, r)
		}
	}
	for k, e := range a.kinds {
		if len(k.App) != MaxName || len(e.record.AppDisplayName) != MaxName {
			t.Errorf("kept %d bytes of the kind and %d of the record", len(k.App), len(e.record.AppDisplayName))
		}
	}
	if r := j.take(); len(r) != 1 || len(r[0].AppDisplayName) != MaxName {
		t.Errorf("written: %d records, %+v", len(r), r)
	}
	a.Stop()
	expect(t, "the second", j.take(), 1)
}

func TestNoteOfAKnownKindAllocatesNothing(t *testing.T) {
	a := New(Config{Interval: time.Hour, MaxKinds: 1, Sink: func(Record) {}})
	known, folded := kind(), kind()
	folded.User = "ben"
	request(a, known)
	request(a, folded)
	for name, k := range map[string]Kind{"known": known, "folded": folded} {
		if n := testing.AllocsPerRun(1000, func() {
			k := k // as the enforcer fills one for each request
			a.Note(&k)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	a.Stop()
}

func BenchmarkNote(b *testing.B) {
	a := New(Config{Interval: time.Hour, Sink: func(Record) {}})
	kinds := make([]Kind, 1000)
	for i := range kinds {
		kinds[i] = kind()
		kinds[i].User = "8c1f2d3e-0000-4000-8000-" + strconv.Itoa(100_000_000_000+i)
		kinds[i].App = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
		request(a, kinds[i])
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a.Note(&kinds[i%len(kinds)])
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for i := 0; p.Next(); i++ {
				a.Note(&kinds[i%len(kinds)])
			}
		})
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			k := kinds[0]
			k.Address = strconv.Itoa(i)
			request(a, k)
		}
	})
}

func BenchmarkPolicies(b *testing.B) {
	results := []PolicyResult{
		{"require-token-protection", "Require token protection for Exchange and SharePoint", PolicySuccess, "application,users", "none"},
		{"pilot", "Pilot", PolicyReportOnlyNotApplied, "application", "users"},
	}
	b.ReportAllocs()
	for b.Loop() {
		Policies(results)
	}
}
