package main

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// swapped says what each operator becomes.
var swapped = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD,
	token.MUL: token.QUO, token.QUO: token.MUL,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
	token.INC: token.DEC, token.DEC: token.INC,
}

// locks are calls that are never dropped: what comes of that is for the race detector.
var locks = map[string]bool{"Lock": true, "Unlock": true, "RLock": true, "RUnlock": true}

// statement finds what can be done to a statement.
func (f *finder) statement(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.negate(n.Cond)
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			f.cases(n.Body)
		}
	case *ast.ExprStmt:
		f.dropCall(n, n.X)
	case *ast.DeferStmt:
		f.dropCall(n, n.Call)
	case *ast.AssignStmt:
		f.assignment(n)
	case *ast.IncDecStmt:
		f.replaceToken(n.TokPos, n.Tok, swapped[n.Tok])
		f.replaceNode(n, "_ = "+f.source(n.X), "dropped")
	case *ast.BranchStmt:
		if n.Tok == token.CONTINUE || n.Tok == token.BREAK {
			f.replaceNode(n, "", "dropped")
		}
	case *ast.ReturnStmt:
		f.results(n)
	}
}

// negate turns a condition around. Where it is a comparison, that swaps its operator.
func (f *finder) negate(condition ast.Expr) {
	if b, ok := condition.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
		return // the expression is changed so anyway
	}
	f.replaceNode(condition, "!("+f.source(condition)+")", "condition negated")
}

func (f *finder) cases(body *ast.BlockStmt) {
	for _, s := range body.List {
		for _, condition := range s.(*ast.CaseClause).List {
			f.negate(condition)
		}
	}
}

func (f *finder) dropCall(statement ast.Node, x ast.Expr) {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return
	}
	if method, ok := call.Fun.(*ast.SelectorExpr); ok && locks[method.Sel.Name] {
		return
	}
	if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" {
		return
	}
	f.replaceNode(statement, "", "dropped")
}

// assignment drops what is assigned, but not its making.
func (f *finder) assignment(n *ast.AssignStmt) {
	if by, ok := swapped[n.Tok]; ok {
		f.replaceToken(n.TokPos, n.Tok, by)
	}
	if n.Tok == token.DEFINE {
		return
	}
	blanks := strings.TrimSuffix(strings.Repeat("_, ", len(n.Lhs)), ", ")
	if f.source(n.Lhs[0]) != "_" {
		f.replace(n.Pos(), n.Rhs[0].Pos(), blanks+" = ", "not assigned")
	}
}

// results makes a function return nothing of what it should. An early return without
// results is dropped.
func (f *finder) results(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		f.replaceNode(n, "", "dropped")
		return
	}
	types := resultTypes(f.function)
	if len(types) != len(n.Results) {
		return
	}
	for i, result := range n.Results {
		source := f.source(result)
		for _, other := range otherResults(types[i], source) {
			f.replaceNode(result, other, "returns "+other)
		}
	}
}

func resultTypes(function *ast.FuncType) []ast.Expr {
	var types []ast.Expr
	if function.Results == nil {
		return nil
	}
	for _, field := range function.Results.List {
		for range max(1, len(field.Names)) {
			types = append(types, field.Type)
		}
	}
	return types
}

// otherResults returns what a function may return instead of a result.
func otherResults(t ast.Expr, source string) []string {
	zero := ""
	switch t := t.(type) {
	case *ast.StarExpr, *ast.MapType, *ast.FuncType, *ast.ChanType, *ast.InterfaceType:
		zero = "nil"
	case *ast.ArrayType:
		if t.Len == nil {
			zero = "nil"
		}
	case *ast.Ident:
		switch t.Name {
		case "bool":
			if source == "true" || source == "false" {
				return nil // as a constant
			}
			return []string{"true", "false"}
		case "string":
			zero = `""`
		case "int", "int64", "int32", "uint64", "uint32", "uint16", "uint", "byte":
			zero = "0"
		case "error", "any":
			zero = "nil"
		}
	case *ast.SelectorExpr:
		if t.Sel.Name == "Duration" {
			zero = "0"
		}
	}
	if zero == "" || zero == source {
		return nil
	}
	return []string{zero}
}

// expression finds what can be done to an expression.
func (f *finder) expression(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if by, ok := swapped[n.Op]; ok {
			f.replaceToken(n.OpPos, n.Op, by)
		}
	case *ast.Ident:
		if n.Name == "true" {
			f.replaceNode(n, "false", "true becomes false")
		} else if n.Name == "false" {
			f.replaceNode(n, "true", "false becomes true")
		}
	case *ast.BasicLit:
		if value, err := strconv.ParseInt(n.Value, 0, 32); n.Kind == token.INT && err == nil {
			by := strconv.FormatInt(value+1, 10)
			f.replaceNode(n, by, n.Value+" becomes "+by)
		}
	}
}
