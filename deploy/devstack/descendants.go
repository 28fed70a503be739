package devstack

// descendants returns the processes below pid, without pid itself.
func descendants(pid int) ([]int, error) {
	parentOf, err := parents()
	if err != nil {
		return nil, err
	}
	childrenOf := make(map[int][]int, len(parentOf))
	for child, parent := range parentOf {
		childrenOf[parent] = append(childrenOf[parent], child)
	}
	found := childrenOf[pid]
	for i := 0; i < len(found); i++ { // grows while we walk it
		found = append(found, childrenOf[found[i]]...)
	}
	return found, nil
}
