package rules

import (
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tidewire/tidewire/push/metrics"
)

const deploy = "../../../examples/standalone/deploy"

var promql = parser.NewParser(parser.Options{})

// series are the labels of each name that a scrape has.
func series() map[string][]string {
	all := map[string][]string{}
	for _, m := range metrics.All() {
		own := []string{"instance", "job"} // Prometheus' own
		if m.Label != "" {
			own = append(own, m.Label)
		}
		if m.Kind != metrics.Histogram {
			all[m.Name] = own
			continue
		}
		all[m.Name+"_sum"], all[m.Name+"_count"] = own, own
		all[m.Name+"_bucket"] = append(slices.Clone(own), "le")
	}
	return all
}

// checkQuery fails unless each metric of a query is there, with each label that is asked for,
// and counters are never shown as they are. It returns the metrics' names.
func checkQuery(t *testing.T, where, query string) (names []string) {
	t.Helper()
	expr, err := promql.ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, query)
		return nil
	}
	all := series()
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		has, known := all[selector.Name]
		if !known {
			t.Errorf("%s: there is no %s", where, selector.Name)
			return nil
		}
		names = append(names, selector.Name)
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != labels.MetricName && !slices.Contains(has, matcher.Name) {
				t.Errorf("%s: %s has no label %s", where, selector.Name, matcher.Name)
			}
		}
		rises := strings.HasSuffix(selector.Name, "_total") || slices.Contains(has, "le")
		_, ranged := path[len(path)-1].(*parser.MatrixSelector)
		if rises != ranged {
			t.Errorf("%s: rate is for counters, and they need it: %s", where, query)
		}
		for _, above := range path {
			if by, ok := above.(*parser.AggregateExpr); ok {
				for _, label := range by.Grouping {
					if !slices.Contains(has, label) {
						t.Errorf("%s: %s has no label %s to sum by", where, selector.Name, label)
					}
				}
			}
		}
		return nil
	})
	return names
}

func TestAlertRules(t *testing.T) {
	groups, errs := rulefmt.ParseFile(filepath.Join(deploy, "alerts.yml"), false, model.UTF8Validation, promql, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		return
	}
	guide, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			checkQuery(t, rule.Alert, rule.Expr)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s has no severity, summary or description", rule.Alert)
			}
			if seen[rule.Alert] {
				t.Errorf("%s is there twice", rule.Alert)
			}
			seen[rule.Alert] = true
			if !strings.Contains(string(guide), "`"+rule.Alert+"`") {
				t.Errorf("docs/operate.md doesn't say what to do about %s", rule.Alert)
			}
		}
	}
}

// TestGuideNamesEachMetric: docs/operate.md has each metric, and no other.
func TestGuideNamesEachMetric(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(tidewire_[a-z_]+)").FindAllStringSubmatch(string(guide), -1) {
		named[name[1]] = true
	}
	for _, m := range metrics.All() {
		if !named[m.Name] {
			t.Errorf("%s isn't named", m.Name)
		}
		delete(named, m.Name)
	}
	for name := range named {
		t.Errorf("there is no %s", name)
	}
}

// panel is what is checked of a panel of Grafana.
type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

// TestDashboard: each query of the dashboard can be parsed and names metrics that exist, each
// metric is somewhere, and no panel hides another.
func TestDashboard(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(deploy, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string  `json:"title"`
		UID    string  `json:"uid"`
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal(file, &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.Title == "" || dashboard.UID == "" || len(dashboard.Panels) == 0 {
		t.Error("the dashboard is no dashboard")
	}
	ids, shown, cells := map[int]bool{}, map[string]bool{}, map[[2]int]string{}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", "a", "$instance", "b")
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d (%s) is there twice, or has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %s shows nothing, or has no room", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %s and %s overlap", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			for _, name := range checkQuery(t, p.Title, variables.Replace(target.Expr)) {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for _, m := range metrics.All() {
		if !shown[m.Name] {
			t.Errorf("no panel shows %s", m.Name)
		}
		delete(shown, m.Name)
	}
	if len(shown) > 0 {
		t.Errorf("shown, but no metrics: %v", slices.Sorted(maps.Keys(shown)))
	}
}
