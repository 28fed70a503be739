package simulation

import (
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// session is somebody reading on a site, who pays a little every second. A site that is new registers first, and
// publishes its first post.
type session struct {
	site int
	// post is what is read, 0 before one is chosen, and for pages that are no post.
	post    uint32
	onPost  bool
	id      string
	left    uint64
	publish bool
}

func newSession(w *world, site int) *session {
	return &session{
		site: site, id: w.code("ses_", 16), left: w.magnitude(1, 24), publish: w.chance(25), onPost: w.chance(900),
	}
}

func (s *session) source() string { return "urn:simulation:site-plugin" }

func (s *session) advance(w *world) (ledger.Data, time.Duration) {
	posts := &w.posts[s.site]
	switch {
	case *posts == 0:
		*posts = 1
		return s.register(w), w.longTail(30*time.Second, time.Hour)
	case *posts == 1 || s.publish:
		s.publish = false
		*posts++
		return s.publishPost(w, *posts-1), w.longTail(10*time.Second, 10*time.Minute)
	}
	s.left--
	if s.left == 0 {
		return s.receive(w), over
	}
	return s.receive(w), w.between(950*time.Millisecond, 1050*time.Millisecond)
}

func (s *session) register(w *world) ledger.Data {
	id := siteID(s.site)
	d := &eventsv1.SiteRegistered{
		PluginId: id, SiteUrl: "https://" + id + ".blog.example/", PaymentPointer: pointer(s.site),
		TimeZone: clocks()[clockOfSite(s.site)].zone,
	}
	if w.chance(700) {
		d.OwnerEmail = "owner@" + id + ".blog.example"
	}
	return d
}

// pointer is a site's payment pointer: fixed, at one of some wallets.
func pointer(site int) string { return walletOf(site).pointers + siteID(site) }

// wallet is where payments to some pointers arrive.
type wallet struct{ pointers, host string }

func walletOf(site int) wallet {
	wallets := [...]wallet{
		{"$wallet.example/", "wallet.example"},
		{"$pay.union-north.example/", "pay.union-north.example"},
		{"https://ilp.harbour.example/", "ilp.harbour.example"},
		{"$Meadow.example:8443/", "meadow.example"},
	}
	return wallets[mix(site)>>32%uint64(len(wallets))]
}

func (s *session) publishPost(w *world, post uint32) ledger.Data {
	title := w.title()
	return &eventsv1.PostPublished{
		PluginId: siteID(s.site), PostId: postID(post), Title: title,
		Url:      "https://" + siteID(s.site) + ".blog.example/" + strings.ToLower(strings.ReplaceAll(title, " ", "-")),
		Category: oneOf(w.draw, []string{"travel", "cooking", "music", "letters", ""}),
	}
}

func postID(post uint32) string { return "post-" + strconv.FormatUint(uint64(post), 10) }

func (w *world) title() string {
	return oneOf(w.draw, []string{"Notes on", "A week of", "In praise of", "Against", "The end of", "Learning"}) + " " +
		oneOf(w.draw, []string{"slow trains", "bread", "lighthouses", "small rivers", "old maps", "counterpoint", "winter", "señales"})
}

// receive is one payment of the session; most go to a post, the newest most often.
func (s *session) receive(w *world) ledger.Data {
	if s.onPost && s.post == 0 {
		newest := w.posts[s.site] - 1
		s.post = newest + 1 - uint32(w.magnitude(1, uint64(newest))) //nolint:gosec // 1 to newest
	}
	amount, in := w.magnitude(20_000, 2_000_000), micropayment(s.site)
	d := &eventsv1.MonetizationReceived{
		PluginId: siteID(s.site), PaymentPointer: pointer(s.site), SessionId: s.id, Amount: money(amount, in),
	}
	w.tally.move(account{"interledger", walletOf(s.site).host, "clearing"}, account{"site", d.GetPluginId(), "revenue"}, amount, in)
	w.tally.earn(w.now, "monetization", d.GetPluginId(), in, func(e *earned) { e.gross.add(amount) })
	if s.onPost {
		d.PostId = postID(s.post)
	}
	return d
}
