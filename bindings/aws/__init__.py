"""Stores on AWS. boto3 is imported only once a connection to AWS is really used."""
