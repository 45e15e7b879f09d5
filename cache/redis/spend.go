// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// Look reports whether this node knows that the proof with this name is spent. It does not ask the store.
func (r *Replay) Look(name cache.Identity, now time.Time) bool { return r.local.Look(name, now) }

// Spend records the proof as spent, unless it already is, in the store and at this node. Only Added permits the
// request. Of any number of racing copies, at any number of nodes, exactly one gets this answer.
func (r *Replay) Spend(proof cache.Proof, now time.Time) cache.Outcome {
	switch outcome := r.share(&proof); outcome {
	case cache.Added:
	case cache.Unavailable:
		if !r.fallback() { // also where the store answers, but its replicas do not: no nonce would help
			return outcome
		}
		if proof.Scope != r.store.node { // another node may have accepted it
			return cache.Doubtful
		}
	case cache.Replayed:
		r.replayed.Add(1)
		return outcome
	case cache.OverQuota:
		r.overQuota.Add(1)
		return outcome
	default:
		return outcome
	}
	return r.local.Spend(proof, now)
}

// Add is [Replay.Spend] of the proof with this id by this key, without a nonce.
func (r *Replay) Add(key [32]byte, id string, now time.Time) cache.Outcome {
	return r.Spend(cache.Proof{Key: key, ID: id, Name: cache.Identify(&key, id)}, now)
}

// Seen reports whether the proof with this id by this key is spent. It asks the store for what this node does not know;
// during an outage it knows no more than this node.
func (r *Replay) Seen(key [32]byte, id string, now time.Time) bool {
	return r.local.Seen(key, id, now) || r.ask(&cache.Proof{Key: key, ID: id}, r.looking) == cache.Replayed
}

// share spends the proof in the store.
func (r *Replay) share(proof *cache.Proof) cache.Outcome { return r.ask(proof, r.spending) }

// question makes the commands that ask a part of the store about a proof.
type question func(client rueidis.Client, p *part, g *generation, proof *cache.Proof) rueidis.Commands

func (r *Replay) spending(client rueidis.Client, p *part, g *generation, proof *cache.Proof) rueidis.Commands {
	commands := rueidis.Commands{client.B().Evalsha().Sha1(g.spend).Numkeys(2).
		Key(r.generationName(p.number), r.keyName(p.number, &proof.Key)).
		Arg(g.value, proofName(&proof.Key, proof.ID), r.maxPerKey, g.ttl, r.window).Build()}
	if r.store.config.Strict {
		commands = append(commands, client.B().Wait().Numreplicas(p.majority()).Timeout(confirmation.Milliseconds()).Build())
	}
	return commands
}

func (r *Replay) looking(client rueidis.Client, p *part, g *generation, proof *cache.Proof) rueidis.Commands {
	return rueidis.Commands{client.B().Evalsha().Sha1(g.look).Numkeys(2).
		Key(r.generationName(p.number), r.keyName(p.number, &proof.Key)).
		Arg(g.value, proofName(&proof.Key, proof.ID)).Build()}
}

// confirmation is how long replicas have for it. Redis looks only ten times a second whether that is over.
const confirmation = Deadline / 5

// majority is how many replicas make, with the primary, more than half of all servers; at least one.
func (p *part) majority() int64 { return max(1, (p.replicas.Load()+1)/2) }

// ask puts a question to the proof's part of the store. Where the generation turns out to be another one, it is looked
// up, and the question put once more if it is not: then only the scripts were lost.
func (r *Replay) ask(proof *cache.Proof, question question) cache.Outcome {
	p := r.store.parts[r.store.partOf(&proof.Key)]
	ctx, cancel := context.WithTimeout(r.store.stopped, r.store.config.deadline)
	defer cancel()
	if !r.store.enterFlight(ctx) {
		return cache.Unavailable
	}
	defer r.store.leaveFlight()

	g := r.generations[p.number].Load()
	if g == nil && p.state.Load() != silent {
		p.check(ctx)
		g = r.generations[p.number].Load()
	}
	for range 2 {
		if g == nil || p.state.Load() == silent {
			return cache.Unavailable
		}
		outcome, known := r.put(ctx, question, p, g, proof)
		if known {
			return outcome
		}
		p.check(ctx)
		before := g
		if g = r.generations[p.number].Load(); g != before && proof.Scope != r.epoch.Load() {
			return cache.Doubtful
		}
	}
	return cache.Unavailable
}

// put puts the question once. It reports false if the server does not know the generation or the script.
func (r *Replay) put(ctx context.Context, question question, p *part, g *generation, proof *cache.Proof) (_ cache.Outcome, known bool) {
	client := r.store.client.Load()
	if client == nil { // it has just failed
		return cache.Unavailable, true
	}
	answer, err := p.answer(ctx, client, question(client, p, g, proof))
	refusal, refused := rueidis.IsRedisErr(err)
	switch {
	case refused && refusal.IsNoScript():
		return 0, false
	case errors.Is(err, errUnconfirmed):
		return cache.Unavailable, true // the store answers, but may lose what it says
	case err != nil:
		p.fail(client, err)
		return cache.Unavailable, true
	}
	switch answer {
	case 1:
		return cache.Added, true
	case 2:
		return cache.Replayed, true
	case 3:
		return cache.OverQuota, true
	}
	return 0, false
}

var errUnconfirmed = errors.New("redis: too few replicas have confirmed")

// answer sends a command, and with it perhaps the question how many replicas have confirmed it.
func (p *part) answer(ctx context.Context, client rueidis.Client, commands rueidis.Commands) (int64, error) {
	if len(commands) == 1 {
		return client.Do(ctx, commands[0]).AsInt64()
	}
	results := client.DoMulti(ctx, commands...)
	answer, err := results[0].AsInt64()
	if err != nil {
		return 0, err
	}
	confirmed, err := results[1].AsInt64()
	if err == nil && confirmed < p.majority() {
		err = errUnconfirmed
	}
	return answer, err
}

// enterFlight waits for a place among the commands that wait for an answer.
func (s *Store) enterFlight(ctx context.Context) bool {
	select {
	case s.inFlight <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Store) leaveFlight() { <-s.inFlight }
