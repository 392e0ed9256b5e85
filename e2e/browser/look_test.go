package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/lint"
)

// The script that sums what moved while the page was loading, as a reader sees it.
const shift = `new Promise((resolve) => {
	let sum = 0;
	new PerformanceObserver((list) => { for (const e of list.getEntries()) sum += e.value; }).observe({type: 'layout-shift', buffered: true});
	requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
})`

func TestPageIsReadableAtEachWidth(t *testing.T) {
	browser := newBrowser(t)
	for name, m := range map[string]*lint.Matrix{"quickstart": quickstart(t), "300": many(t, 300), "10000": many(t, 10_000)} {
		html := page(t, m)
		for _, width := range []int64{390, 800, 1440} {
			for _, dark := range []bool{false, true} {
				if name == "10000" && dark != (width == 800) {
					continue // each width once: it is the largest page
				}
				as := look{width: width, height: 900, dark: dark}
				picture := fmt.Sprintf("%s_%d", name, width)
				if dark {
					picture += "_dark"
				}
				t.Run(picture, func(t *testing.T) {
					b := open(t, browser, html, as)
					b.rows(m.Counts.Methods, m.Counts.Methods)
					b.picture(picture)
					if got := value[float64](b, shift); got != 0 {
						t.Errorf("the page moves by %f while it loads", got)
					}
					if over := value[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
						t.Errorf("the page is %d pixels too wide", over)
					}
					if n := value[int](b, "document.querySelectorAll('*').length"); n > 25_000 {
						t.Errorf("the page has %d elements", n)
					}
					if got := value[bool](b, "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128"); got != dark {
						t.Errorf("the page is dark: %t", got)
					}
					b.do(click("details.row summary"))
					b.must("document.querySelector('details.row').open")
					if over := value[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
						t.Errorf("the page with a method's details is %d pixels too wide", over)
					}
					b.picture(picture + "_open")
				})
			}
		}
	}
}

// The colors of each text are told apart by readers whose sight is weak: WCAG 2.2, 1.4.3.
func TestTextHasContrast(t *testing.T) {
	browser := newBrowser(t)
	html := page(t, many(t, 300))
	for _, dark := range []bool{false, true} {
		b := open(t, browser, html, look{width: 1440, height: 900, dark: dark})
		weak := value[[]string](b, `(() => {
			const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
			const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
			const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
			const weak = new Set();
			document.querySelectorAll('details').forEach((d) => { d.open = true; });
			for (const e of document.querySelectorAll('body *')) {
				if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
				const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
				const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
				if (ratio < 4.5) weak.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
			}
			return [...weak];
		})()`)
		if len(weak) > 0 {
			t.Errorf("dark %t: too little contrast: %s", dark, strings.Join(weak, ", "))
		}
	}
}

// What is looser, tighter, or can't be told has a color each; what is both is looser, too.
func TestVerdictsHaveTheirColors(t *testing.T) {
	browser := newBrowser(t)
	html := page(t, many(t, 300))
	for _, dark := range []bool{false, true} {
		b := open(t, browser, html, look{width: 1440, height: 900, dark: dark})
		b.do(click("[data-flag=change]"))
		colors := value[map[string]string](b, `Object.fromEntries([...document.querySelectorAll('.tag.change')].map((e) => {
			const style = getComputedStyle(e);
			return [e.textContent, style.color + ' on ' + style.backgroundColor];
		}))`)
		different := map[string]bool{}
		for _, color := range colors {
			different[color] = true
		}
		if len(colors) != 4 || len(different) != 3 || colors["both"] != colors["looser"] {
			t.Errorf("dark %t: %v", dark, colors)
		}
		b.picture(fmt.Sprintf("verdicts_%t", dark))
	}
}

func TestPageWithoutScriptsIsATable(t *testing.T) {
	m := many(t, 300)
	b := open(t, newBrowser(t), page(t, m), look{width: 1440, height: 900, still: true})
	b.picture("still")
	if n := value[int](b, "[...document.querySelectorAll('details.row')].filter((row) => row.checkVisibility()).length"); n != 300 {
		t.Errorf("%d rows are seen, want 300", n)
	}
	if value[bool](b, "document.getElementById('tools').checkVisibility()") {
		t.Error("filters are shown that can't work")
	}
}

func TestPagePrintsAllThatMatches(t *testing.T) {
	b := open(t, newBrowser(t), page(t, many(t, 300)), desktop)
	b.must("document.querySelectorAll('details.row').length === 100")
	pdf := b.print()
	if len(pdf) < 10_000 || string(pdf[:5]) != "%PDF-" {
		t.Errorf("printed %d bytes", len(pdf))
	}
	if n := value[int](b, "document.querySelectorAll('details.row').length"); n != 300 {
		t.Errorf("%d rows were printed, want 300", n)
	}
}
