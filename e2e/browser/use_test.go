package browser

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/usher-auth/usher/authz/lint"
)

// rows waits until the page counts the methods.
func (b *tab) rows(shown, of int) {
	b.t.Helper()
	text := strconv.Itoa(of) + " methods"
	if shown != of {
		text = strconv.Itoa(shown) + " of " + text
	}
	b.must(fmt.Sprintf("document.getElementById('count').textContent === %q", text))
	b.must(fmt.Sprintf("document.querySelectorAll('details.row').length >= Math.min(100, %d)", shown))
}

// names is the script of the names of the rows in the page, in order.
const names = "[...document.querySelectorAll('details.row')].map((row) => row.id.slice(row.id.lastIndexOf('/') + 1))"

// search types a text into the search box, in place of what is there.
func (b *tab) search(text string) {
	b.t.Helper()
	value[string](b, "document.getElementById('q').value = ''")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), text))
}

func (b *tab) choose(filter, option string) {
	b.t.Helper()
	selector := fmt.Sprintf("select[data-filter=%q]", filter)
	b.do(chromedp.SetValue(chromedp.CSS(selector), option))
	value[bool](b, fmt.Sprintf("document.querySelector(%q).dispatchEvent(new Event('change', {bubbles: true}))", selector))
}

// matching returns how many methods a filter should leave, by the matrix itself.
func matching(m *lint.Matrix, keep func(*lint.MatrixMethod) bool) int {
	n := 0
	for i := range m.Methods {
		if keep(&m.Methods[i]) {
			n++
		}
	}

	return n
}

func TestSearchFindsMethodsByAllThatIsSaid(t *testing.T) {
	m := quickstart(t)
	b := open(t, newBrowser(t), page(t, m), desktop)
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"MoveDoc", []string{"MoveDocument"}},
		{"to_folder_id", []string{"MoveDocument"}},
		{"PressService document:{document_id}", []string{"PublishDocument", "RequestReview"}},
		{"statistics.read", []string{"GetStatistics"}},
		{"department == 'press'", []string{"OrderPrints"}},
		{"doesn't say", []string{"GetServiceInfo"}},
		{"METHOD_DENIED", []string{"PurgeDocuments"}},
		{"nothing has this", nil},
		{"<script>", nil},
	} {
		b.search(tc.text)
		b.must(fmt.Sprintf("(%s).join() === %q", names, strings.Join(tc.want, ",")))
		b.rows(len(tc.want), len(m.Methods))
		if got := value[bool](b, "document.getElementById('empty').checkVisibility()"); got != (len(tc.want) == 0) {
			t.Errorf("%q: the page says that nothing matches: %t", tc.text, got)
		}
	}
	b.do(click("#reset"))
	b.rows(len(m.Methods), len(m.Methods))
}

func TestEachFilterLeavesWhatItNames(t *testing.T) {
	browser := newBrowser(t)
	for name, m := range map[string]*lint.Matrix{"quickstart": quickstart(t), "300": many(t, 300), "10000": many(t, 10_000)} {
		t.Run(name, func(t *testing.T) {
			b := open(t, browser, page(t, m), desktop)
			total, options := len(m.Methods), 5
			if total > 1000 {
				options = 1
			}
			b.rows(total, total)
			for _, access := range []string{"public", "authenticated", "condition", "handler", "denied"} {
				b.do(click(fmt.Sprintf(".chip[data-access=%q]", access)))
				b.rows(matching(m, func(row *lint.MatrixMethod) bool { return row.Access == access }), total)
				b.do(click(fmt.Sprintf(".chip[data-access=%q]", access)))
			}
			b.do(click(".chip[data-access=public]"), click(".chip[data-access=handler]"))
			b.rows(matching(m, func(row *lint.MatrixMethod) bool { return row.Access == "public" || row.Access == "handler" }), total)
			b.do(click("#reset"))
			for filter, of := range map[string]func(row *lint.MatrixMethod) []string{
				"server":  func(row *lint.MatrixMethod) []string { return []string{row.Server} },
				"service": func(row *lint.MatrixMethod) []string { return []string{row.Service} },
				"policy":  func(row *lint.MatrixMethod) []string { return []string{row.Policy} },
				"who":     func(row *lint.MatrixMethod) []string { return row.Who },
			} {
				for _, option := range value[[]string](b, fmt.Sprintf("[...document.querySelectorAll('select[data-filter=%s] option')].map((o) => o.value).filter(Boolean).slice(0, %d)", filter, options)) {
					b.choose(filter, option)
					want := matching(m, func(row *lint.MatrixMethod) bool { return slices.Contains(of(row), option) })
					if want == 0 {
						t.Errorf("%s has the option %q, which leaves nothing", filter, option)
					}
					b.rows(want, total)
				}
				if filter != "server" || name != "quickstart" {
					b.choose(filter, "")
				}
			}
			for flag, keep := range map[string]func(row *lint.MatrixMethod) bool{
				"fault":  func(row *lint.MatrixMethod) bool { return len(row.Faults) > 0 || row.Policy == "" },
				"change": func(row *lint.MatrixMethod) bool { return row.Change != nil },
			} {
				chip := fmt.Sprintf(".chip[data-flag=%q]", flag)
				if want := matching(m, keep); want > 0 {
					b.do(click(chip))
					b.rows(want, total)
					b.do(click(chip))
				} else if value[bool](b, fmt.Sprintf("document.querySelector(%q) !== null", chip)) {
					t.Errorf("there is a filter %s that leaves nothing", flag)
				}
			}
			b.rows(total, total)
		})
	}
}

func TestPageIsUsedByKeyboard(t *testing.T) {
	m := quickstart(t)
	b := open(t, newBrowser(t), page(t, m), desktop)
	b.do(chromedp.KeyEvent("/"))
	b.must("document.activeElement.id === 'q' && document.activeElement.value === ''")
	b.do(chromedp.KeyEvent("DeleteDocument"))
	b.rows(1, len(m.Methods))
	b.do(chromedp.Focus(chromedp.CSS("details.row summary")), chromedp.KeyEvent(kb.Enter))
	b.must("document.querySelector('details.row').open")
	b.must("document.querySelector('details.row .more').checkVisibility() && document.querySelector('details.row .more').textContent.includes('NOT_FOUND')")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.must("!document.querySelector('details.row').open")
}

func TestFiltersOfANarrowPageAreBehindAButton(t *testing.T) {
	m := many(t, 300)
	b := open(t, newBrowser(t), page(t, m), look{width: 390, height: 844})
	b.must("!document.getElementById('filters').checkVisibility()")
	b.do(click("#toggle"))
	b.must("document.getElementById('filters').checkVisibility() && document.getElementById('toggle').getAttribute('aria-expanded') === 'true'")
	b.picture("narrow_filters")
	b.do(click(".chip[data-access=public]"))
	b.rows(m.Counts.Public, len(m.Methods))
	b.do(click("#toggle"))
	b.must("!document.getElementById('filters').checkVisibility()")
}

func TestPermalinkOpensItsMethod(t *testing.T) {
	browser := newBrowser(t)
	for name, m := range map[string]*lint.Matrix{"quickstart": quickstart(t), "10000": many(t, 10_000)} {
		html := page(t, m)
		for place, i := range map[string]int{"first": 0, "middle": len(m.Methods) / 2, "last": len(m.Methods) - 1} {
			t.Run(name+" "+place, func(t *testing.T) {
				method := m.Methods[i].Method
				as := desktop
				as.hash = method
				b := open(t, browser, html, as)
				seen := fmt.Sprintf(`(() => {
					const row = document.getElementById(%q), top = document.querySelector('.top').getBoundingClientRect().bottom;
					return row !== null && row.open && row.classList.contains('linked') && row.getBoundingClientRect().top >= top - 1 && row.getBoundingClientRect().top < innerHeight;
				})()`, method)
				b.must(seen)
				b.picture("permalink_" + strings.ReplaceAll(name+"_"+place, " ", "_"))
				if n := value[int](b, "document.querySelectorAll('details.row').length"); n > 250 {
					t.Errorf("%d rows became elements", n)
				}
				// The link is followed also where filters leave the method out.
				b.search("nothing has this")
				b.rows(0, len(m.Methods))
				value[string](b, "location.hash = ''")
				value[string](b, "location.hash = "+strconv.Quote("#"+method))
				b.must(seen)
				b.do(chromedp.Click(chromedp.CSS(fmt.Sprintf("details[id=%q] .more > a", method))))
				b.must(fmt.Sprintf("location.hash === %q", "#"+(&url.URL{Path: method}).EscapedPath()))
			})
		}
	}
}

func TestAllRowsComeAsTheReaderGoesOn(t *testing.T) {
	m := many(t, 300)
	as := desktop
	b := open(t, newBrowser(t), page(t, m), as)
	b.must("document.querySelectorAll('details.row').length === 100")
	b.must("scrollTo(0, document.body.scrollHeight), document.querySelectorAll('details.row').length === 300 && document.getElementById('more') === null")
	want := make([]string, 0, len(m.Methods))
	for i := range m.Methods {
		want = append(want, m.Methods[i].Name)
	}
	if got := value[[]string](b, names); !slices.Equal(got, want) {
		t.Errorf("rows are %q", got)
	}
	if n := value[int](b, "document.querySelectorAll('main h2').length"); n != m.Counts.Services {
		t.Errorf("%d titles of %d services", n, m.Counts.Services)
	}
}
