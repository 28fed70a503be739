package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// post is a row of revenue.posts: the latest that was said of a post. Events that say it at once, under one id, may say
// different things: either counts.
type post struct {
	met

	latest said
	titles [][]string
}

// postsTable is the name of the generation's table of posts.
func (r *revenue) postsTable() string {
	return fmt.Sprintf("%s.posts_g%d", revenueName, r.examination.generation)
}

func postKey(event *ledger.Event, d *eventsv1.PostPublished) string {
	return keyOf(event.Ledger, d.GetPluginId(), d.GetPostId())
}

// hearOf takes down what an event says of a post.
func (r *revenue) hearOf(event *ledger.Event, d *eventsv1.PostPublished) {
	key := postKey(event, d)
	p, ok := r.posts[key]
	if !ok {
		p = &post{}
		r.posts[key] = p
	}
	says := said{at: event.Time, id: event.ID}
	titles := titlesOf(d)
	switch {
	case !ok, says.newer(&p.latest):
		p.latest, p.titles = says, [][]string{titles}
	case !p.latest.newer(&says):
		p.titles = append(p.titles, titles)
	}
}

// comparePosts holds the titles against the latest of the log. The table is read once: a moment later it may have others.
func (r *revenue) comparePosts(ctx context.Context) error {
	e := r.examination
	c := e.found.check(checkTitles)
	t := table{
		name: r.postsTable(), modifier: "FINAL",
		keys: warehouseTexts("ledger", "plugin_id", "post_id"), values: warehouseTexts("title", "url", "category"),
	}
	odd := map[string][]string{} // titles that are not those of the log up to the offsets, by post
	err := r.warehouse.stream(ctx, t.name, t.sql(), nil, func(row [][]byte) error {
		c.compared++
		e.found.rows++
		key, titles := joined(row[:len(t.keys)]), strings.Split(joined(row[len(t.keys):]), separator)
		p, ok := r.posts[key]
		if ok && p.meet() {
			c.differs(t.difference(KindRepeated, key))
		} else if !ok || !p.take(titles) {
			odd[key] = titles
		}
		return nil
	})
	if err == nil && len(odd) > 0 {
		err = r.allowAhead(ctx, odd)
	}
	if err != nil {
		return err
	}
	r.judgePosts(c, &t, odd)
	return nil
}

// judgePosts notes what is odd and what is not there.
func (r *revenue) judgePosts(c *check, t *table, odd map[string][]string) {
	for key, titles := range odd {
		p, ok := r.posts[key]
		if !ok {
			c.differs(t.difference(KindExtra, key))
			continue
		}
		for i, column := range t.values {
			d := t.difference(KindDifferent, key)
			d.Column = column.name
			c.same(d, p.titles[0][i], titles[i])
		}
	}
	for key, p := range r.posts {
		if !p.wasMet() {
			c.compared++
			c.differs(t.difference(KindMissing, key))
		}
	}
}

// allowAhead takes titles away that the log has past the offsets: they go in before these move.
func (r *revenue) allowAhead(ctx context.Context, odd map[string][]string) error {
	admin, err := eventlog.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	ends, err := admin.EndOffsets(ctx, eventlog.TopicMonetization)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	rest := eventlog.Range{From: r.examination.next, To: ends}
	return eventlog.ReadRange(ctx, r.kafka, rest, func(_ context.Context, batch eventlog.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range batch.Records {
			event := batch.Records[i].Event
			if event == nil {
				continue
			}
			if d, ok := event.Data.(*eventsv1.PostPublished); ok {
				if key := postKey(event, d); slices.Equal(odd[key], titlesOf(d)) {
					delete(odd, key)
				}
			}
		}
		return nil
	})
}

// take makes titles the ones that count, where they are among those that may.
func (p *post) take(titles []string) bool {
	for _, may := range p.titles {
		if slices.Equal(may, titles) {
			p.titles = [][]string{may}
			return true
		}
	}
	return false
}

func titlesOf(d *eventsv1.PostPublished) []string {
	return []string{strings.Clone(d.GetTitle()), strings.Clone(d.GetUrl()), strings.Clone(d.GetCategory())}
}
