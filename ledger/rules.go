package ledger

import "github.com/tributary-ledger/tributary/schemas/eventsv1"

// checkSubject holds the subject attribute to its field.
func checkSubject(env *envelope, c *checker) *Invalid {
	if env.event.Subject == string(c.subject) {
		return nil
	}
	return invalid(CodeSubjectMismatch, "subject", "%s is not data.%s, %s; make them equal",
		quote(env.event.Subject), env.kind.message.fields[env.kind.subject].name, quote(c.subject))
}

// checkAcross checks the rules that concern several fields of data whose fields are right each by itself.
func checkAcross(data Data) *Invalid {
	switch d := data.(type) {
	case *eventsv1.PaymentStarted:
		return checkFee("fee", d.GetAmount(), d.GetFee())
	case *eventsv1.PaymentPosted:
		return checkFee("fee", d.GetAmount(), d.GetFee())
	case *eventsv1.PaymentRefunded:
		return checkFee("fee_returned", d.GetAmount(), d.GetFeeReturned())
	case *eventsv1.SettlementReceived:
		return checkProviderFee(d)
	case *eventsv1.JournalPosted:
		return checkJournal(d)
	default:
		return nil
	}
}

// checkFee holds a fee to the amount that it is a part of.
func checkFee(name string, amount, fee *eventsv1.Money) *Invalid {
	if fee == nil {
		return nil
	}
	if bad := checkSameAsset(name, amount, fee); bad != nil {
		return bad
	}
	if a, f := amountOf(amount), amountOf(fee); f.Cmp(a) > 0 {
		return invalid(CodeFeeOverAmount, "data."+name, "%s %s is over the amount, %s", f, fee.GetAssetCode(), a)
	}
	return nil
}

// checkProviderFee sees to it that what a provider paid out and what it kept are one amount together, because they are
// posted as one.
func checkProviderFee(d *eventsv1.SettlementReceived) *Invalid {
	if d.GetProviderFee() == nil {
		return nil
	}
	if bad := checkSameAsset("provider_fee", d.GetAmount(), d.GetProviderFee()); bad != nil {
		return bad
	}
	if total := amountOf(d.GetAmount()).Add(amountOf(d.GetProviderFee())); !total.less(amountLimit()) {
		return invalid(CodeAmountTooLarge, "data.provider_fee", "with the amount it is %s, 10^%d whole units or more", total, MaxWholeDigits)
	}
	return nil
}

func checkSameAsset(name string, amount, fee *eventsv1.Money) *Invalid {
	if amount.GetAssetCode() == fee.GetAssetCode() {
		return nil
	}
	return invalid(CodeBadAmount, "data."+name+".asset_code", "%s is not the asset of the amount, %s",
		quote(fee.GetAssetCode()), quote(amount.GetAssetCode()))
}

// checkJournal adds up both sides of each asset.
func checkJournal(d *eventsv1.JournalPosted) *Invalid {
	type sides struct{ debits, credits Sum }
	assets := map[string]*sides{}
	for _, entry := range d.GetEntries() {
		asset := entry.GetAmount().GetAssetCode()
		both := assets[asset]
		if both == nil {
			both = new(sides)
			assets[asset] = both
		}
		if entry.GetDirection() == Credit.String() {
			both.credits.Add(amountOf(entry.GetAmount()))
		} else {
			both.debits.Add(amountOf(entry.GetAmount()))
		}
	}
	for _, entry := range d.GetEntries() { // in the order of the entries, so that the answer is always the same
		asset := entry.GetAmount().GetAssetCode()
		if both := assets[asset]; both.debits != both.credits {
			return invalid(CodeUnbalancedJournal, "data.entries", "debits of %s are %s and credits %s; they must be equal",
				asset, both.debits.String(), both.credits.String())
		}
	}
	return nil
}
