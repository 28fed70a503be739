package audit

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const postsView = "revenue.posts"

// post is a row of revenue.posts: the latest that was said of a post. Events that say it at once, under one id, may say
// different things: either counts.
type post struct {
	met

	latest said
	titles [][]string
}

func (p *post) cells() []string { return p.titles[0] }

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

// comparePosts holds the titles against the latest of the log.
func (r *revenue) comparePosts(ctx context.Context) error {
	c := r.examination.found.check(checkTitles)
	t := table{
		name: postsView, keys: warehouseTexts("ledger", "plugin_id", "post_id"), values: warehouseTexts("title", "url", "category"),
	}
	odd, err := r.oddPosts(ctx, t)
	if err == nil && len(odd) > 0 {
		err = r.allowAhead(ctx, odd)
	}
	if err != nil {
		return err
	}
	return compare(ctx, r.warehouse, c, t, rowsOf(r.posts))
}

// oddPosts are the posts that are not as the log says up to the offsets: their titles. Where several may count, the one that is there
// is taken.
func (r *revenue) oddPosts(ctx context.Context, t table) (map[string][]string, error) {
	odd := map[string][]string{}
	err := r.warehouse.stream(ctx, t.name, t.sql(), nil, func(row [][]byte) error {
		key, titles := joined(row[:len(t.keys)]), strings.Split(joined(row[len(t.keys):]), separator)
		if p, ok := r.posts[key]; !ok || !p.take(titles) {
			odd[key] = titles
		}
		return nil
	})
	return odd, err
}

// allowAhead looks for the titles in the log past the offsets: they go in before these move.
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
			d, ok := event.Data.(*eventsv1.PostPublished)
			if !ok {
				continue
			}
			key := postKey(event, d)
			if slices.Equal(odd[key], titlesOf(d)) {
				r.posts[key] = &post{titles: [][]string{odd[key]}}
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
