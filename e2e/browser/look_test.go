package browser

import (
	"fmt"
	"testing"
)

// The page is looked at in each of these ways.
func TestPageIsReadableAtEachWidth(t *testing.T) {
	browser := newBrowser(t)
	for name, html := range map[string]string{"quickstart": quickstart(t), "300": many(t, 300), "10000": many(t, 10_000)} {
		t.Logf("%s: %d bytes", name, len(html))
		for _, width := range []int64{390, 800, 1440} {
			for _, dark := range []bool{false, true} {
				as := look{width: width, height: 900, dark: dark}
				picture := fmt.Sprintf("%s_%d", name, width)
				if dark {
					picture += "_dark"
				}
				t.Run(picture, func(t *testing.T) {
					b := open(t, browser, html, as)
					b.must("document.querySelectorAll('details.row').length > 0")
					t.Log(value[string](b, "JSON.stringify(performance.getEntriesByType('navigation').map(n => [n.domInteractive, n.domComplete]))"))
					b.picture(picture)
					b.do(click("details.row summary"))
					b.picture(picture + "_open")
				})
			}
		}
	}
}
