package commands

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Site is a site that earns by web monetization.
type Site struct {
	PluginID       string `json:"plugin_id" example:"blog-7" maxLength:"64" doc:"The site, by the id of the plugin that reports for it."`
	SiteURL        string `json:"site_url,omitempty" example:"https://blog.example" maxLength:"1024"`
	OwnerEmail     string `json:"owner_email,omitempty" example:"ada@blog.example" maxLength:"1024"`
	PaymentPointer string `json:"payment_pointer" example:"$wallet.example/ada" maxLength:"1024" doc:"Where the site is paid."`
	TimeZone       string `json:"time_zone" example:"Europe/Berlin" maxLength:"64" doc:"Of IANA's list."`
}

// Post is a post of a site.
type Post struct {
	PostID   string `json:"post_id" example:"post-12" maxLength:"1024" doc:"The post, within its site."`
	Title    string `json:"title" example:"How we moved to Kafka" maxLength:"1024"`
	URL      string `json:"url,omitempty" example:"https://blog.example/kafka" maxLength:"1024"`
	Category string `json:"category,omitempty" example:"engineering" maxLength:"1024"`
}

// NewSite is a site with since when it is so.
type NewSite struct {
	Site
	When
}

type siteInput struct {
	Key

	Body NewSite
}

type siteOutput struct {
	Accepted

	Body Site
}

// NewPost is a post with since when it is so.
type NewPost struct {
	Post
	When
}

type postInput struct {
	Key

	PluginID string `path:"plugin_id" example:"blog-7" maxLength:"64"`
	Body     NewPost
}

type postOutput struct {
	Accepted

	Body Post
}

func (c *Commands) registerSites(api huma.API) {
	site := write("/v1/sites", "register-site", "Register a site",
		"Says who is paid for a site, and in which time zone it lives. Again with other facts, those count from then on.",
		web.ScopeMonetizationWrite)
	post := write("/v1/sites/{plugin_id}/posts", "publish-post", "Publish a post",
		"Gives a post its title, by which revenue is listed. Again with another title, that one counts from then on.",
		web.ScopeMonetizationWrite)
	site.Tags, post.Tags = []string{"Monetization"}, []string{"Monetization"}
	huma.Register(api, site, c.registerSite)
	huma.Register(api, post, c.publishPost)
}

func (c *Commands) registerSite(ctx context.Context, in *siteInput) (*siteOutput, error) {
	caller := web.Caller(ctx)
	at, err := c.at(in.Body.When)
	if err == nil {
		err = owned(caller, in.Body.PluginID, "body.plugin_id")
	}
	if err != nil {
		return nil, err
	}
	id := newIdentity(caller, "/v1/sites", in.IdempotencyKey).id("event")
	position, err := c.append1(ctx, event(caller, id, at, &eventsv1.SiteRegistered{
		PluginId: in.Body.PluginID, SiteUrl: in.Body.SiteURL, OwnerEmail: in.Body.OwnerEmail,
		PaymentPointer: in.Body.PaymentPointer, TimeZone: in.Body.TimeZone,
	}))
	if err != nil {
		return nil, err
	}
	return &siteOutput{Accepted: position, Body: in.Body.Site}, nil
}

func (c *Commands) publishPost(ctx context.Context, in *postInput) (*postOutput, error) {
	caller := web.Caller(ctx)
	at, err := c.at(in.Body.When)
	if err == nil {
		err = owned(caller, in.PluginID, "path.plugin_id")
	}
	if err != nil {
		return nil, err
	}
	id := newIdentity(caller, "/v1/sites/"+in.PluginID+"/posts", in.IdempotencyKey).id("event")
	position, err := c.append1(ctx, event(caller, id, at, &eventsv1.PostPublished{
		PluginId: in.PluginID, PostId: in.Body.PostID, Title: in.Body.Title, Url: in.Body.URL, Category: in.Body.Category,
	}))
	if err != nil {
		return nil, err
	}
	return &postOutput{Accepted: position, Body: in.Body.Post}, nil
}
