package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHouse: what keeps the console's code easy to follow. Each message is told apart in one function that fits two screens,
// pages never learn of keys, and nothing of a package changes once the program runs.
func TestHouse(t *testing.T) {
	files := token.NewFileSet()
	rooms := map[string][]*ast.File{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		rooms[filepath.Dir(path)] = append(rooms[filepath.Dir(path)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	updates := 0
	for _, room := range rooms {
		for _, f := range room {
			updates += checkUpdates(t, files, f)
		}
		checkGlobals(t, files, room)
	}
	if updates == 0 || len(rooms["../page"]) == 0 {
		t.Fatal("no Update and no page was looked at: the rules check nothing")
	}
	for _, f := range rooms["../page"] {
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "bubbletea") || strings.Contains(i.Path.Value, "ui/keymap") {
				t.Errorf("%s imports %s: pages see actions, never keys", files.Position(i.Pos()), i.Path.Value)
			}
		}
	}
}

func checkUpdates(t *testing.T, files *token.FileSet, f *ast.File) (n int) {
	const most = 150
	for _, d := range f.Decls {
		fn, is := d.(*ast.FuncDecl)
		if !is || fn.Recv == nil || fn.Name.Name != "Update" {
			continue
		}
		n++
		if lines := files.Position(fn.End()).Line - files.Position(fn.Pos()).Line; lines > most {
			t.Errorf("%s: Update has %d lines, at most %d", files.Position(fn.Pos()), lines, most)
		}
	}
	return n
}

// checkGlobals finds whatever writes to a variable of the package, or could.
func checkGlobals(t *testing.T, files *token.FileSet, room []*ast.File) {
	var globals []string
	own := map[any]bool{} // their declarations
	for _, f := range room {
		for _, d := range f.Decls {
			decl, is := d.(*ast.GenDecl)
			if !is || decl.Tok != token.VAR {
				continue
			}
			for _, s := range decl.Specs {
				own[s] = true
				for _, name := range s.(*ast.ValueSpec).Names {
					globals = append(globals, name.Name)
				}
			}
		}
	}
	var root func(e ast.Expr) *ast.Ident
	root = func(e ast.Expr) *ast.Ident {
		switch e := e.(type) {
		case *ast.Ident:
			return e
		case *ast.SelectorExpr:
			return root(e.X)
		case *ast.IndexExpr:
			return root(e.X)
		case *ast.StarExpr:
			return root(e.X)
		case *ast.ParenExpr:
			return root(e.X)
		}
		return nil
	}
	wrote := func(e ast.Expr) {
		id := root(e)
		if id == nil || !slices.Contains(globals, id.Name) || id.Obj != nil && !own[id.Obj.Decl] {
			return // something of a function's own
		}
		t.Errorf("%s: %s is the package's and may change", files.Position(e.Pos()), id.Name)
	}
	for _, f := range room {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					if n.Tok != token.DEFINE {
						wrote(e)
					}
				}
			case *ast.IncDecStmt:
				wrote(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					wrote(n.X)
				}
			case *ast.CallExpr:
				if id, is := n.Fun.(*ast.Ident); is && (id.Name == "delete" || id.Name == "clear") {
					wrote(n.Args[0])
				}
			}
			return true
		})
	}
}
